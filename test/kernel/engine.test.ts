import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type FrameHeader, frameTarget, type PanelMessage } from '../../kernel/src/engine/record/frame.ts';
import type { Message } from '../../kernel/src/protocol/messages.ts';
import { startKernel, type TestKernel } from './client.ts';

const tiny = fileURLToPath(new URL('../../fixtures/tiny/tiny.gguf', import.meta.url));

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
  const { reply } = await kernel.execute(
    `import { lab, methods } from 'kvlab'; const model = await lab.load(${JSON.stringify(tiny)}, { device: 'wasm' });`,
  );
  assert.equal(reply.status, 'ok', String(reply.evalue));
});
after(() => kernel.stop());

const headerOf = ({ content }: Message) => content.data as FrameHeader;
const isFrame = (comm: string) => (message: Message) =>
  message.header.msg_type === 'comm_msg' && message.content.comm_id === comm && headerOf(message).type === 'frame';

/** Acknowledges each frame as a page does. */
function draw(comm: string): () => FrameHeader[] {
  let drawn = 0;
  const timer = setInterval(() => {
    const seq = kernel.published.filter(isFrame(comm)).map(headerOf).at(-1)?.seq ?? 0;
    if (seq > drawn)
      kernel.send('shell', 'comm_msg', { comm_id: comm, data: { type: 'ack', seq } satisfies PanelMessage });
    drawn = seq;
  }, 10);
  return () => {
    clearInterval(timer);
    return kernel.published.filter(isFrame(comm)).map(headerOf);
  };
}

test('a generation in a cell sends frames to an open panel while it runs, every token once', async () => {
  kernel.send('shell', 'comm_open', { comm_id: 'panel', target_name: frameTarget, data: {} });
  const stop = draw('panel');
  const { reply, outputs, text } = await kernel.execute(
    'const run = await lab.generate(model, "once upon a time", { method: methods.full(), maxTokens: 24 }); run.ids.length',
  );
  assert.equal(reply.status, 'ok', String(reply.evalue));
  const ended = await kernel.until((message) => isFrame('panel')(message) && headerOf(message).state === 'finished');
  const headers = stop();
  assert.ok(headers.length > 2, `${headers.length} frames`);
  assert.ok(
    kernel.published.indexOf(kernel.published.find(isFrame('panel'))!) < kernel.published.indexOf(outputs.at(-1)!),
  );
  const { run } = headerOf(ended);
  const texts = headers.filter((one) => one.run === run).flatMap((one) => one.texts);
  const prompt = Number((await kernel.execute('model.tokenize("once upon a time").length')).text);
  // The last new token is chosen but never fed, so it is not in the cache.
  assert.equal(texts.length, prompt + Number(text) - 1);
});

test('an interrupted generation is back soon, keeps its partial run, and the model goes on', async () => {
  const from = kernel.published.length;
  const running = kernel.execute(
    'const long = await lab.generate(model, "once upon a time", { method: methods.full(), maxTokens: 900, onToken: () => console.log("token") });',
  );
  await kernel.until(
    (message) =>
      kernel.published.indexOf(message) >= from && message.content.text?.toString().startsWith('token') === true,
  );
  await kernel.request('control', 'interrupt_request');
  const { reply } = await running;
  assert.equal(reply.ename, 'Interrupted');
  const kept = Number((await kernel.execute('long.ids.length')).text);
  assert.ok(kept > 0 && kept < 900, `${kept} tokens`);
  const again = await kernel.execute('(await lab.generate(model, "again", { maxTokens: 3 })).ids.length');
  assert.equal(again.text, '3');
});

test('a table of the run is an HTML table', async () => {
  const { outputs, reply } = await kernel.execute('await run.table("bytes")');
  assert.equal(reply.status, 'ok', String(reply.evalue));
  const result = outputs.find(({ header }) => header.msg_type === 'execute_result')!;
  assert.match((result.content.data as Record<string, string>)['text/html']!, /^<table>/);
});
