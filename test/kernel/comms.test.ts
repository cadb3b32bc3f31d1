import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { Message } from '../../kernel/src/protocol/messages.ts';
import { type Client, isOf, startKernel, type TestKernel } from './client.ts';

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
  await kernel.execute(`
    comms.register('echo', (comm, first) => {
      comm.send({ opened: first.data }, { buffers: first.buffers });
      comm.onMessage((message) => comm.send(message.data, { buffers: message.buffers, metadata: message.metadata }));
      comm.onClose(() => console.log('closed by the page'));
    });
  `);
});
after(() => kernel.stop());

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const ofComm =
  (id: string, type: string, fits: (message: Message) => boolean = () => true) =>
  (message: Message) =>
    message.header.msg_type === type && message.content.comm_id === id && fits(message);
const tagged = (id: string, tag: number) =>
  ofComm(id, 'comm_msg', ({ content }) => (content.data as { tag?: number }).tag === tag);

test('a comm echoes buffers of 0 B, 1 B, 1 MiB and 16 MiB byte for byte', async () => {
  kernel.send('shell', 'comm_open', { comm_id: 'sizes', target_name: 'echo', data: { hello: 1 } });
  const opened = await kernel.until(ofComm('sizes', 'comm_msg'));
  assert.deepEqual(opened.content.data, { opened: { hello: 1 } });
  for (const [tag, size] of [0, 1, 2 ** 20, 2 ** 24].entries()) {
    const buffers = [randomBytes(size), randomBytes(3)];
    kernel.send('shell', 'comm_msg', { comm_id: 'sizes', data: { tag } }, { buffers, metadata: { size } });
    const echo = await kernel.until(tagged('sizes', tag));
    assert.deepEqual(echo.buffers.map(sha), buffers.map(sha));
    assert.deepEqual(echo.metadata, { size });
  }
});

test('comm messages of the page are framed by busy and idle', async () => {
  const header = kernel.send('shell', 'comm_msg', { comm_id: 'sizes', data: { tag: 77 } });
  await kernel.until((m) => isOf(header, 'status')(m) && m.content.execution_state === 'idle');
  const states = kernel.published.filter(isOf(header, 'status')).map(({ content }) => content.execution_state);
  assert.deepEqual(states, ['busy', 'idle']);
});

test('an unknown target is answered with comm_close', async () => {
  kernel.send('shell', 'comm_open', { comm_id: 'nobody', target_name: 'no such target', data: {} });
  await kernel.until(ofComm('nobody', 'comm_close'));
  const { content } = await kernel.request('shell', 'comm_info_request', {});
  assert.deepEqual(content.comms, { sizes: { target_name: 'echo' } });
});

test('a cell opens a comm and hears the answer of the page', async () => {
  const { outputs } = await kernel.execute(`
    const own = comms.open('page', { from: 'cell' }, { buffers: [new Uint8Array([1, 2, 3])] });
    const heard: unknown[] = [];
    own.onMessage(({ data, buffers }) => heard.push([data, Array.from(buffers[0])]));
  `);
  const open = outputs.find(({ header }) => header.msg_type === 'comm_open')!;
  assert.equal(open.content.target_name, 'page');
  assert.deepEqual([...open.buffers[0]!], [1, 2, 3]);
  kernel.send('shell', 'comm_msg', { comm_id: open.content.comm_id, data: { n: 1 } }, { buffers: [Buffer.from([9])] });
  const { text } = await kernel.execute(
    'while (heard.length === 0) await new Promise((turn) => setImmediate(turn)); JSON.stringify(heard)',
  );
  assert.equal(text, `'[[{"n":1},[9]]]'`);
});

test('messages that come while a cell blocks wait in order and none is lost', async () => {
  kernel.send('shell', 'comm_open', { comm_id: 'queue', target_name: 'echo', data: {} });
  await kernel.until(ofComm('queue', 'comm_msg'));
  const blocked = kernel.execute('{ const end = Date.now() + 700; while (Date.now() < end); }');
  for (let tag = 100; tag < 300; tag++) kernel.send('shell', 'comm_msg', { comm_id: 'queue', data: { tag } });
  await blocked;
  await kernel.until(tagged('queue', 299));
  const tags = kernel.published
    .filter(ofComm('queue', 'comm_msg'))
    .map(({ content }) => (content.data as { tag?: number }).tag)
    .filter((tag) => tag !== undefined);
  assert.deepEqual(
    tags,
    Array.from({ length: 200 }, (_, at) => at + 100),
  );
});

test('closing from the page reaches the cell that registered the target', async () => {
  kernel.send('shell', 'comm_close', { comm_id: 'queue', data: {} });
  await kernel.until(({ header, content }) => header.msg_type === 'stream' && content.text === 'closed by the page\n');
});

test('a widget of the page is driven both ways over the target of ipywidgets', async () => {
  const { outputs } = await kernel.execute(`
    const state = { _model_module: 'anywidget', _model_name: 'AnyModel', _esm: 'export default {}', value: 1, bytes: null };
    const widget = comms.open('jupyter.widget', { state, buffer_paths: [['bytes']] }, { metadata: { version: '2.1.0' }, buffers: [new Uint8Array([7])] });
    const values: number[] = [];
    widget.onMessage(({ data }) => {
      const { method, state } = data as { method: string; state: { value: number } };
      if (method !== 'update') return;
      values.push(state.value);
      widget.send({ method: 'update', state: { value: state.value * 2 }, buffer_paths: [] });
    });
    display({ 'application/vnd.jupyter.widget-view+json': { version_major: 2, version_minor: 0, model_id: widget.id } });
  `);
  const open = outputs.find(({ header }) => header.msg_type === 'comm_open')!;
  const id = String(open.content.comm_id);
  assert.deepEqual(open.metadata, { version: '2.1.0' });
  assert.deepEqual([...open.buffers[0]!], [7]);
  const view = outputs.find(({ header }) => header.msg_type === 'display_data')!.content.data as Record<string, object>;
  assert.deepEqual(view['application/vnd.jupyter.widget-view+json'], {
    version_major: 2,
    version_minor: 0,
    model_id: id,
  });
  kernel.send('shell', 'comm_msg', { comm_id: id, data: { method: 'update', state: { value: 21 }, buffer_paths: [] } });
  const update = await kernel.until(ofComm(id, 'comm_msg'));
  assert.deepEqual(update.content.data, { method: 'update', state: { value: 42 }, buffer_paths: [] });
});

test('200 MiB of buffers arrive whole', async () => {
  kernel.send('shell', 'comm_open', { comm_id: 'bulk', target_name: 'echo', data: {} });
  await kernel.until(ofComm('bulk', 'comm_msg'));
  const before = kernel.published.length;
  await kernel.execute(`
    const bulk = comms.open('bulk-page');
    for (let n = 0; n < 200; n++) bulk.send({ n }, { buffers: [new Uint8Array(2 ** 20).fill(n)] });
  `);
  await kernel.until(({ content }) => (content.data as { n?: number } | undefined)?.n === 199, 60_000);
  const messages = kernel.published.slice(before).filter(({ buffers }) => buffers.length === 1);
  assert.equal(messages.length, 200);
  for (const [n, { buffers }] of messages.entries()) {
    assert.equal(buffers[0]!.length, 2 ** 20);
    assert.ok(buffers[0]!.every((byte) => byte === n));
  }
  kernel.published.length = 0;
});

test('two clients see the same publications and get their own replies', async () => {
  const other: Client = await kernel.connect();
  const [mine, theirs] = await Promise.all([kernel.execute('const who = "me"; who'), other.execute('"they"')]);
  assert.equal(mine.text, `'me'`);
  assert.equal(theirs.text, `'they'`);
  const results = ({ published }: Client) =>
    published.filter(({ header }) => header.msg_type === 'execute_result').map(({ content }) => content.data);
  assert.deepEqual(results(other).slice(-2), results(kernel).slice(-2));
  const sessions = new Set(other.published.map(({ header }) => header.session));
  assert.equal(sessions.size, 1);
  assert.ok(!sessions.has(other.session) && !sessions.has(kernel.session));
  other.close();
});
