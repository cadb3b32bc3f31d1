import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Columns,
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameHeader,
  frameTarget,
  frameVersion,
  type KernelMessage,
  mergeFrames,
  type PanelMessage,
  type RunInfo,
} from '../../kernel/src/engine/record/frame.ts';
import { createHub } from '../../kernel/src/protocol/frames.ts';
import type { Message } from '../../kernel/src/protocol/messages.ts';
import { startKernel, type TestKernel } from './client.ts';

const info = (run: string): RunInfo => ({
  run,
  title: `title of ${run}`,
  model: { name: 'tiny', layers: 1, queryHeads: 2, kvHeads: 1, headSize: 4, context: 64 },
  method: { name: 'full', setting: '', paper: '', slots: [], quantizes: false, departures: [] },
  zones: ['fresh'],
  promptLength: 1,
  maxTokens: 1000,
  device: 'wasm',
  seed: 0,
  sinkCount: 1,
  leftOut: '',
});

/** Step `step` of a run: one token, one step, a state column that says the step. */
function frame(run: string, step: number, state: FrameHeader['state'] = 'running', width = 4): Frame {
  const columns: Columns = {
    'token.id': { lane: 'log', shape: [1], data: new Uint32Array([step]) },
    'step.index': { lane: 'log', shape: [1], data: new Uint32Array([step]) },
    'sink.mass': { lane: 'log', shape: [1, 1, width], data: new Float32Array(width).fill(step) },
    'watch.attention': { lane: 'state', shape: [2], data: new Float32Array([step, step]) },
  };
  const header = { type: 'frame', version: frameVersion, run, seq: 0, merged: 0, snapshot: false } as const;
  const first = step === 0 ? { info: info(run) } : {};
  return encodeFrame({ ...header, ...first, step, state, texts: [{ text: `t${step}` }] }, columns);
}

interface Sent {
  comm: string;
  message: KernelMessage;
  frame?: Frame;
  at: number;
}

function openHub(limit?: number) {
  const sent: Sent[] = [];
  const forwarded: PanelMessage[] = [];
  const notices: string[] = [];
  const hub = createHub(
    {
      send: (comm, message, buffer) =>
        sent.push({
          comm,
          message,
          at: performance.now(),
          frame: buffer && { header: message as FrameHeader, buffer },
        }),
      methods: () => undefined,
      forward: (message) => forwarded.push(message),
      notice: (text) => notices.push(text),
    },
    limit,
  );
  const frames = (comm = 'a') => sent.filter((one) => one.comm === comm && one.frame).map((one) => one.frame!);
  return { hub, sent, forwarded, notices, frames };
}

async function until(fits: () => boolean, ms = 5000) {
  const end = performance.now() + ms;
  while (!fits()) {
    if (performance.now() > end) throw new Error('the hub did not get there');
    await new Promise((turn) => setTimeout(turn, 5));
  }
}

const steps = (one: Frame) => [...(decodeFrame(one.header, one.buffer)['step.index']?.data ?? [])];

describe('hub of frames', () => {
  test('a page that opens late gets one snapshot of each run that equals the merge of its frames', () => {
    const { hub, frames, sent } = openHub();
    const all = Array.from({ length: 50 }, (_, step) => frame('r', step));
    for (const one of all) hub.publish(one);
    hub.publish(frame('other', 0, 'finished'));
    hub.open('a');
    const [first, second] = frames();
    const whole = all.reduce(mergeFrames);
    assert.equal(sent[0]!.message.type, 'runs');
    assert.deepEqual(decodeFrame(first!.header, first!.buffer), decodeFrame(whole.header, whole.buffer));
    assert.deepEqual(first!.header.texts, whole.header.texts);
    assert.equal(first!.header.snapshot, true);
    assert.equal(first!.header.info?.title, 'title of r');
    assert.equal(second!.header.run, 'other');
    hub.stop();
  });

  test('two frames may wait for their acknowledgement; later ones are merged and counted', async () => {
    const { hub, frames } = openHub();
    hub.open('a');
    for (let step = 0; step < 10; step++) {
      hub.publish(frame('r', step));
      await new Promise((turn) => setTimeout(turn, 40));
    }
    assert.equal(frames().length, 2);
    hub.message('a', { type: 'ack', seq: 2 });
    await until(() => frames().length === 3);
    const last = frames()[2]!;
    assert.deepEqual(steps(last), [2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(last.header.merged, 7);
    assert.equal(last.header.snapshot, false);
    assert.equal(last.header.step, 9);
    assert.deepEqual([...decodeFrame(last.header, last.buffer)['watch.attention']!.data], [9, 9]);
    hub.stop();
  });

  test('a page that acknowledges at once gets at most 30 frames a second and every row', async () => {
    const { hub, frames, sent } = openHub();
    hub.open('a');
    const began = performance.now();
    let step = 0;
    while (performance.now() - began < 500) {
      hub.publish(frame('r', step++));
      hub.message('a', { type: 'ack', seq: frames().at(-1)?.header.seq ?? 0 });
      await new Promise((turn) => setTimeout(turn, 2));
    }
    await until(() => {
      hub.message('a', { type: 'ack', seq: frames().at(-1)!.header.seq });
      return frames().at(-1)!.header.step === step - 1;
    });
    const elapsed = sent.at(-1)!.at - began;
    assert.ok(frames().length <= elapsed / (1000 / 30) + 2, `${frames().length} frames in ${elapsed} ms`);
    assert.ok(frames().length > 5);
    assert.deepEqual(
      frames().flatMap(steps),
      Array.from({ length: step }, (_, at) => at),
    );
    hub.stop();
  });

  test('a page that never acknowledges falls to one frame a second after two seconds', async () => {
    const { hub, frames, sent } = openHub();
    hub.open('a');
    const timer = setInterval(() => hub.publish(frame('r', sent.length + 1)), 20);
    await until(() => frames().length === 4, 8000);
    clearInterval(timer);
    const at = sent.filter((one) => one.frame).map((one) => one.at);
    assert.ok(at[2]! - at[0]! >= 1990, `third after ${at[2]! - at[0]!} ms`);
    assert.ok(at[3]! - at[2]! >= 990, `fourth after ${at[3]! - at[2]!} ms`);
    hub.stop();
  });

  test('a page that has left sixty frames without an answer gets no more until it is heard', async () => {
    const { hub, frames } = openHub();
    for (let run = 0; run < 59; run++) hub.publish(frame(`r${run}`, 0));
    hub.open('b');
    hub.publish(frame('r59', 0));
    hub.open('a');
    hub.publish(frame('r0', 1));
    assert.deepEqual([frames('a').length, frames('b').length], [60, 59]);
    await until(() => frames('b').length === 60);
    assert.equal(frames('a').length, 60);
    hub.message('a', { type: 'ack', seq: 60 });
    await until(() => frames().length === 61);
    assert.equal(frames().at(-1)!.header.step, 1);
    hub.stop();
  });

  test('a page that owes an answer and gets nothing new is told once how many frames were sent', async () => {
    const { hub, sent } = openHub();
    hub.open('a');
    hub.publish(frame('r', 0));
    const told = () => sent.filter(({ message }) => message.type === 'sent').map(({ message }) => message);
    await until(() => told().length > 0);
    assert.deepEqual(told(), [{ type: 'sent', seq: 1 }]);
    hub.message('a', { type: 'ack', seq: 1 });
    hub.publish(frame('r', 1));
    hub.message('a', { type: 'ack', seq: 2 });
    assert.equal(told().length, 1);
    hub.stop();
  });

  test('a hidden page gets nothing until it resumes, and then what it missed', async () => {
    const { hub, frames } = openHub();
    hub.open('a');
    hub.message('a', { type: 'hide' });
    for (let step = 0; step < 5; step++) hub.publish(frame('r', step));
    assert.equal(frames().length, 0);
    hub.message('a', { type: 'resume' });
    assert.deepEqual(steps(frames()[0]!), [0, 1, 2, 3, 4]);
    hub.stop();
  });

  test('a page that asks for a snapshot gets everything again', () => {
    const { hub, frames } = openHub();
    hub.open('a');
    hub.publish(frame('r', 0));
    hub.publish(frame('r', 1));
    hub.message('a', { type: 'snapshot' });
    const last = frames().at(-1)!;
    assert.equal(last.header.snapshot, true);
    assert.deepEqual(steps(last), [0, 1]);
    hub.stop();
  });

  test('two runs that go on at once take turns', async () => {
    const { hub, frames } = openHub();
    hub.open('a');
    const timer = setInterval(() => {
      hub.publish(frame('one', frames().length));
      hub.publish(frame('two', frames().length));
      hub.message('a', { type: 'ack', seq: frames().at(-1)?.header.seq ?? 0 });
    }, 5);
    await until(() => frames().length >= 12);
    clearInterval(timer);
    const runs = frames().map(({ header }) => header.run);
    for (const run of ['one', 'two']) assert.ok(runs.filter((name) => name === run).length >= 5, runs.join());
    hub.stop();
  });

  test('what only the library can do is handed on', () => {
    const { hub, forwarded } = openHub();
    hub.open('a');
    const messages: PanelMessage[] = [
      { type: 'control', run: 'r', action: 'pause' },
      { type: 'watch', run: 'r', layer: 0, queryHead: 1 },
      { type: 'selection', selection: { position: 3 } },
    ];
    for (const message of messages) hub.message('a', message);
    assert.deepEqual(forwarded, messages);
    hub.stop();
  });

  test('beyond the limit the oldest finished run goes first, and that is said', () => {
    const { hub, notices, frames } = openHub(100_000);
    for (const run of ['first', 'second']) {
      hub.publish(frame(run, 0, 'finished', 8000));
      assert.ok(hub.bytes() < 100_000);
    }
    hub.publish(frame('third', 0, 'running', 16_000));
    assert.match(notices[0]!, /"title of first" was dropped/);
    hub.open('a');
    assert.deepEqual(
      frames().map(({ header }) => header.run),
      ['second', 'third'],
    );
    hub.stop();
  });

  test('a single run beyond the limit loses its oldest steps, whole rows at a time, and says so', () => {
    const { hub, frames } = openHub(200_000);
    for (let step = 0; step < 100; step++) hub.publish(frame('r', step, 'running', 1000));
    assert.ok(hub.bytes() <= 200_000);
    hub.open('a');
    const snapshot = frames()[0]!;
    const columns = decodeFrame(snapshot.header, snapshot.buffer);
    const kept = steps(snapshot);
    assert.equal(kept.at(-1), 99);
    assert.deepEqual(
      kept,
      kept.map((_, at) => kept[0]! + at),
    );
    assert.equal(columns['sink.mass']!.shape[0], kept.length);
    assert.equal(columns['sink.mass']!.data[0], kept[0]);
    assert.match(snapshot.header.info!.leftOut, new RegExp(`first ${kept[0]} steps were dropped`));
    assert.equal(columns['token.id']!.shape[0], 100);
    hub.stop();
  });

  test('merging a long run stays cheap: 20,000 steps in a page that lags', () => {
    const { hub } = openHub();
    hub.open('a');
    const began = performance.now();
    for (let step = 0; step < 20_000; step++) hub.publish(frame('r', step, 'running', 64));
    assert.ok(performance.now() - began < 5000, `${performance.now() - began} ms`);
    hub.stop();
  });
});

describe('frames through the kernel', () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
    const { reply } = await kernel.execute(`
      import { encodeFrame, type RunInfo } from 'kvlab/frame';
      const host = Reflect.get(globalThis, Symbol.for('kvlab.host'));
      const heard: unknown[] = [];
      host.onPanel((message: unknown) => heard.push(message));
      function publish(step: number, state: 'running' | 'finished' = 'running') {
        const columns = { 'step.index': { lane: 'log' as const, shape: [1], data: new Uint32Array([step]) } };
        host.publish(encodeFrame({ type: 'frame', version: 1 as const, run: 'k', seq: 0, merged: 0, snapshot: false, step, state,
          texts: [{ text: 't' + step }], ...(step === 0 && { info: { run: 'k', title: 'k', leftOut: '' } as unknown as RunInfo }) }, columns));
      }
    `);
    assert.equal(reply.status, 'ok', JSON.stringify(reply));
  });
  after(() => kernel.stop());
  const data = (message: Message) => message.content.data as KernelMessage;
  const frameOf = (comm: string) => (message: Message) =>
    message.header.msg_type === 'comm_msg' && message.content.comm_id === comm && data(message).type === 'frame';

  test('a panel that opens while a cell blocks gets its snapshot at once, and its stop waits at the door', async () => {
    await kernel.execute('for (let step = 0; step < 20; step++) publish(step);');
    const blocked = kernel.execute('{ const end = Date.now() + 1500; while (Date.now() < end); }');
    await kernel.until(
      ({ header, content }) => header.msg_type === 'execute_input' && /end = Date/.test(String(content.code)),
    );
    const began = performance.now();
    kernel.send('shell', 'comm_open', { comm_id: 'late', target_name: frameTarget, data: {} });
    const message = await kernel.until(frameOf('late'));
    const elapsed = performance.now() - began;
    assert.ok(elapsed < 500, `${elapsed} ms`);
    const header = data(message) as FrameHeader;
    assert.equal(header.snapshot, true);
    assert.equal(header.texts.length, 20);
    assert.equal(decodeFrame(header, new Uint8Array(message.buffers[0]!).buffer)['step.index']!.data.length, 20);
    const stop: PanelMessage = { type: 'control', run: 'k', action: 'stop' };
    kernel.send('shell', 'comm_msg', { comm_id: 'late', data: stop });
    await blocked;
    const { text } = await kernel.execute(
      'while (heard.length === 0) await new Promise((turn) => setImmediate(turn)); JSON.stringify(heard)',
    );
    assert.equal(text, `'${JSON.stringify([stop])}'`);
  });

  test('lab.show reaches the page as a comm of its own target', async () => {
    await kernel.execute(`host.show('memory')`);
    const { content } = await kernel.until(({ header }) => header.msg_type === 'comm_open');
    assert.equal(content.target_name, 'kvlab.show');
    assert.deepEqual(content.data, { panel: 'memory' });
  });

  test('a run whose process dies is told to the panels as failed', async () => {
    await kernel.execute('process.exit(1)');
    kernel.send('shell', 'comm_msg', { comm_id: 'late', data: { type: 'snapshot' } });
    const message = await kernel.until((one) => frameOf('late')(one) && (data(one) as FrameHeader).state === 'failed');
    assert.match((data(message) as FrameHeader).message!, /exited with code 1/);
  });
});
