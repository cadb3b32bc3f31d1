import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { within } from './client.ts';
import { type JupyterServer, startServer } from './server.ts';

let server: JupyterServer;
let kernel: Kernel.IKernelConnection;
before(async () => {
  server = await startServer();
  kernel = await server.kernel();
  await run(`
    const { createHash } = await import('node:crypto');
    comms.register('sums', (comm) => comm.onMessage(({ data, buffers }) => {
      const { n, send } = data as { n: number; send?: number };
      if (send !== undefined) return comm.send({ n }, { buffers: [new Uint8Array(send).fill(n)] });
      comm.send({ n, sha: buffers.map((buffer) => createHash('sha256').update(buffer).digest('hex')) });
    }));
  `);
});
after(() => server.stop());

interface Ran {
  status: string;
  text: string;
  result?: unknown;
}

async function run(code: string): Promise<Ran> {
  const future = kernel.requestExecute({ code });
  const ran: Ran = { status: '', text: '' };
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === 'stream') ran.text += (content as KernelMessage.IStreamMsg['content']).text;
    if (header.msg_type === 'execute_result')
      ran.result = (content as KernelMessage.IExecuteResultMsg['content']).data['text/plain'];
  };
  const reply = await within(60_000, 'execution', future.done);
  ran.status = reply.content.status;
  return ran;
}

type Answer = { n: number; sha: string[]; buffers: (ArrayBuffer | ArrayBufferView)[] };

async function openComm() {
  const comm = kernel.createComm('sums');
  const answers = new Map<number, (answer: Answer) => void>();
  comm.onMsg = ({ content, buffers = [] }) => {
    const data = content.data as { n: number; sha: string[] };
    answers.get(data.n)?.({ ...data, buffers });
  };
  await comm.open({}).done;
  const answer = (n: number) =>
    within(60_000, `answer ${n}`, new Promise<Answer>((resolve) => answers.set(n, resolve)));
  return { comm, answer };
}

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const bytesOf = (buffer: ArrayBuffer | ArrayBufferView) =>
  buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer)
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);

test('0 B, 1 B, 1 MiB and 16 MiB reach the page byte for byte', async () => {
  const { comm, answer } = await openComm();
  for (const [n, send] of [0, 1, 2 ** 20, 2 ** 24].entries()) {
    const waiting = answer(n);
    comm.send({ n, send });
    const { buffers } = await waiting;
    assert.equal(sha(bytesOf(buffers[0]!)), sha(new Uint8Array(send).fill(n)));
  }
});

test('64 MiB from the page arrive in pieces of 8 MiB', async () => {
  const { comm, answer } = await openComm();
  for (let n = 0; n < 8; n++) {
    const bytes = randomBytes(8 * 2 ** 20);
    const waiting = answer(n);
    comm.send({ n }, undefined, [bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer]);
    assert.deepEqual((await waiting).sha, [sha(bytes)]);
  }
});

test('20,000 lines pass the limits of the server whole', async () => {
  const { text, status } = await run('for (let n = 0; n < 20_000; n++) console.log(n)');
  assert.equal(status, 'ok');
  const lines = text.trimEnd().split('\n');
  assert.equal(lines.length, 20_000);
  assert.equal(lines.at(-1), '19999');
});

test('a page that draws slowly sees 30 frames a second of 128 KiB without a drop at the server', async () => {
  await run(`
    import { encodeFrame } from 'kvlab/frame';
    const host = Reflect.get(globalThis, Symbol.for('kvlab.host'));
    function publish(step: number, state: 'running' | 'finished') {
      const columns = {
        'step.index': { lane: 'log' as const, shape: [1], data: new Uint32Array([step]) },
        'heavy.score': { lane: 'state' as const, shape: [32768], data: new Float32Array(32768).fill(step) },
      };
      host.publish(encodeFrame({ type: 'frame', version: 1 as const, run: 'flood', seq: 0, merged: 0, snapshot: false, step, state, texts: [] }, columns));
    }
  `);
  const comm = kernel.createComm('kvlab.frames');
  const steps: number[] = [];
  const done = Promise.withResolvers<Float32Array>();
  let merged = 0;
  comm.onMsg = ({ content, buffers = [] }) => {
    const header = content.data as unknown as {
      type: string;
      seq: number;
      state: string;
      merged: number;
      step: number;
      columns: { name: string; shape: number[]; offset: number }[];
    };
    if (header.type !== 'frame') return;
    merged += header.merged;
    const bytes = bytesOf(buffers[0]!);
    const of = (name: string) => header.columns.find((column) => column.name === name)!;
    const index = of('step.index');
    if (index) steps.push(...new Uint32Array(bytes.slice(index.offset, index.offset + index.shape[0]! * 4).buffer));
    if (header.state === 'finished') done.resolve(new Float32Array(bytes.slice(of('heavy.score').offset).buffer));
    setTimeout(() => !comm.isDisposed && comm.send({ type: 'ack', seq: header.seq }), 120);
  };
  await comm.open({}).done;
  await run(
    'for (let step = 0; step < 300; step++) { publish(step, "running"); await new Promise((turn) => setTimeout(turn, 10)); } publish(300, "finished");',
  );
  const last = await within(20_000, 'last frame', done.promise);
  assert.deepEqual(
    steps,
    Array.from({ length: 301 }, (_, step) => step),
  );
  assert.ok(last.every((value) => value === 300));
  assert.ok(merged > 100);
  assert.doesNotMatch(server.log(), /rate exceeded/);
  comm.dispose();
});

test('comms, for which JupyterLab makes a subshell of their own, are answered while a cell runs', async () => {
  const running = run('await new Promise((resolve) => setTimeout(resolve, 1500)); "done"');
  const { comm, answer } = await openComm();
  const waiting = answer(1);
  const began = performance.now();
  comm.send({ n: 1, send: 3 });
  await waiting;
  assert.ok(performance.now() - began < 1000);
  assert.equal((await running).result, `'done'`);
});

test('a restart gives a fresh kernel, and the old process is gone', async () => {
  const before = Number((await run('let old = 1; process.pid')).result);
  await kernel.restart();
  await within(30_000, 'restart', kernel.info);
  assert.equal((await run('1 + 1')).result, '2');
  assert.equal((await run('old')).status, 'error');
  assert.equal(existsSync(`/proc/${before}`), false);
});

test('an interrupt through the server stops a loop', async () => {
  const running = run('console.log("begun"); while (true) {}');
  await new Promise<void>((resolve) => {
    const heard = (_: unknown, { msg }: { msg: { content: { text?: string } } }) => {
      if (msg.content.text !== 'begun\n') return;
      kernel.anyMessage.disconnect(heard as never);
      resolve();
    };
    kernel.anyMessage.connect(heard as never);
  });
  await kernel.interrupt();
  assert.equal((await running).status, 'error');
  assert.equal((await run('2 + 2')).result, '4');
});
