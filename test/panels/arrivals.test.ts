/** Frames that are lost on the way between kernel and page are noticed, asked for again, and leave no hole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Frame, type FrameHeader, mergeFrames, type PanelMessage } from 'kvlab/frame';
import { createHub } from '../../kernel/src/protocol/frames.ts';
import { type Arrivals, createArrivals } from '../../lab-extension/src/lab/arrivals.ts';
import { createStore, type Store } from '../../lab-extension/src/store/store.ts';
import { recordedRun } from './recorded-run.ts';

const small = { layers: 2, queryHeads: 4, kvHeads: 2, steps: 30 };

function framesOf(run: string): Frame[] {
  return [...recordedRun(small)].map(({ header, buffer }) => {
    const info = header.info && { info: { ...header.info, run } };
    return { header: { ...header, run, ...info }, buffer };
  });
}

/** A page behind a wire that loses what `loses` says; it acknowledges what it takes in. */
function lossyPage(loses: (header: FrameHeader) => boolean) {
  const store = createStore();
  const asked: PanelMessage[] = [];
  const failures: string[] = [];
  let arrivals: Arrivals;
  const hub = createHub({
    send(_, message, buffer) {
      // As over a socket: never within the call that sends.
      setImmediate(() => {
        if (message.type === 'sent') arrivals.sent(message.seq);
        if (message.type !== 'frame' || loses(message)) return;
        try {
          arrivals.take(message, buffer!);
        } catch (error) {
          failures.push((error as Error).message);
        }
        hub.message('page', { type: 'ack', seq: arrivals.newest });
      });
    },
    methods() {},
    forward() {},
    notice() {},
  });
  arrivals = createArrivals(store, (run) => {
    const message: PanelMessage = { type: 'snapshot', ...(run === undefined ? {} : { run }) };
    asked.push(message);
    setImmediate(() => hub.message('page', message));
  });
  hub.open('page');
  return { store, hub, asked, failures };
}

async function until(fits: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!fits()) {
    if (performance.now() > end) throw new Error('the page did not get there');
    await new Promise((turn) => setTimeout(turn, 5));
  }
}

const whole = framesOf('a').reduce(mergeFrames);
const complete = (store: Store, id: string): boolean => {
  const run = store.runs.get(id);
  return run?.state === 'finished' && run.texts.length === whole.header.texts.length;
};

/** Every log column has as many rows as the run has, each once. */
function assertNoHole(store: Store, id: string): void {
  const run = store.runs.get(id)!;
  assert.deepEqual(run.texts, whole.header.texts);
  for (const { name, lane, shape } of whole.header.columns)
    if (lane === 'log') assert.equal(run.log.get(name)?.rows, shape[0], name);
  const steps = run.log.get('step.index')!;
  assert.deepEqual([...steps.data.subarray(0, steps.rows)], [...Array(small.steps + 1).keys()]);
}

test('a third of all frames of two runs are lost, and both runs come out whole', async () => {
  let state = 11;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  let lost = 0;
  const { store, hub, asked } = lossyPage(() => {
    const loses = random() < 0.33;
    lost += Number(loses);
    return loses;
  });
  const [a, b] = [framesOf('a'), framesOf('b')];
  for (let i = 0; i < a.length; i++) {
    hub.publish(a[i]!);
    hub.publish(b[i]!);
    await new Promise((turn) => setTimeout(turn, 4));
  }
  await until(() => complete(store, 'a') && complete(store, 'b'));
  hub.stop();
  assert.ok(lost > 0 && asked.length > 0, `${lost} frames were lost, ${asked.length} times was asked`);
  assertNoHole(store, 'a');
  assertNoHole(store, 'b');
});

test('the loss of the very last frame is noticed, though no other frame follows', async () => {
  let losing = false;
  const { store, hub } = lossyPage((header) => losing && header.state === 'finished' && !header.snapshot);
  const all = framesOf('a');
  for (const frame of all.slice(0, -1)) hub.publish(frame);
  await until(() => store.runs.get('a')?.step === small.steps - 1);
  losing = true;
  hub.publish(all.at(-1)!);
  await until(() => complete(store, 'a'));
  hub.stop();
  assertNoHole(store, 'a');
});

test('a snapshot that cannot be read is not asked for again and again, and other runs go on', async () => {
  const { store, hub, asked, failures } = lossyPage(() => false);
  const [first, ...rest] = framesOf('odd');
  const info = { ...first!.header.info!, recorded: true, seed: 'none' as never };
  hub.publish({ ...first!, header: { ...first!.header, info } });
  for (const frame of rest) hub.publish(frame);
  for (const frame of framesOf('a')) hub.publish(frame);
  await until(() => complete(store, 'a'));
  hub.stop();
  assert.equal(store.runs.has('odd'), false);
  assert.match(failures[0]!, /header\.info\.seed is none/);
  assert.ok(asked.length <= 2, `asked ${asked.length} times`);
});

test('frames of an earlier kernel are not continued by those of a new one', () => {
  const store = createStore();
  const asked: (string | undefined)[] = [];
  const before = createArrivals(store, () => undefined);
  const [first, second, third] = framesOf('a');
  before.take({ ...first!.header, seq: 1, snapshot: true }, first!.buffer);
  store.ended.add('a');
  const after = createArrivals(store, (run) => asked.push(run));
  after.take({ ...third!.header, seq: 1 }, third!.buffer);
  assert.deepEqual(asked, ['a']);
  assert.equal(store.runs.get('a')!.step, 0);
  after.take({ ...second!.header, info: first!.header.info!, seq: 2, snapshot: true }, second!.buffer);
  assert.equal(store.runs.get('a')!.texts.length, second!.header.texts.length);
  assert.equal(store.ended.has('a'), false);
});
