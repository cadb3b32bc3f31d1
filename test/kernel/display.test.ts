import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Message } from '../../kernel/src/protocol/messages.ts';
import { startKernel, type TestKernel } from './client.ts';

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
});
after(() => kernel.stop());

type Data = Record<string, unknown>;
const dataOf = ({ content }: Message) => content.data as Data;

async function result(code: string): Promise<Data> {
  const { outputs, reply } = await kernel.execute(code);
  assert.equal(reply.status, 'ok', String(reply.evalue));
  return dataOf(outputs.find(({ header }) => header.msg_type === 'execute_result')!);
}

test('plain values are shown as text without colours', async () => {
  assert.deepEqual(await result('({ a: [1, "x"], when: new Map([[1, 2]]) })'), {
    'text/plain': "{ a: [ 1, 'x' ], when: Map(1) { 1 => 2 } }",
  });
  assert.deepEqual(await result('"a\\nb"'), { 'text/plain': `'a\\nb'` });
  assert.deepEqual(await result('10n ** 20n'), { 'text/plain': '100000000000000000000n' });
});

test('an object says itself how it is shown, and text is always there', async () => {
  const data = await result('({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<b>own</b>" }) })');
  assert.equal(data['text/html'], '<b>own</b>');
  assert.equal(typeof data['text/plain'], 'string');
  const later = await result('({ [Symbol.for("Jupyter.display")]: async () => ({ "text/plain": "own words" }) })');
  assert.deepEqual(later, { 'text/plain': 'own words' });
});

test('a value that fails to show itself does not fail the cell', async () => {
  const data = await result('({ [Symbol.for("Jupyter.display")]() { throw new Error("shy"); } })');
  assert.deepEqual(data, { 'text/plain': '[could not be shown: shy]' });
});

test('an arquero table is an HTML table with a text twin, twenty rows at most', async () => {
  const data = await result(
    'import * as aq from "arquero"; aq.table({ n: Array.from({ length: 30 }, (_, n) => n), t: Array.from({ length: 30 }, () => "<i>&") })',
  );
  const html = String(data['text/html']);
  assert.equal(html.match(/<tr>/g)!.length, 21);
  assert.ok(html.includes('&lt;i&gt;&amp;') && !html.includes('<i>'));
  assert.match(html, /30 rows, 2 columns; the first 20 are shown/);
  assert.match(String(data['text/plain']), /^n {3}t\n/);
});

test('typed arrays and tensors are shape, statistics and a corner', async () => {
  assert.match(
    String((await result('new Float32Array([1, 2, NaN])'))['text/plain']),
    /^Float32Array \[3\] min 1, max 2, mean 1.5, 1 NaN\n {2}1, 2, NaN$/,
  );
  const text = String(
    (await result('({ dims: [10, 20], type: "float32", data: Float32Array.from({ length: 200 }, (_, n) => n) })'))[
      'text/plain'
    ],
  );
  assert.match(text, /^tensor float32 \[10, 20\] min 0, max 199, mean 99.5\n {2}0, 1, 2, 3, 4, 5, …\n {2}20, /);
  assert.match(text, /… 6 more rows$/);
});

test('bytes of an image are a picture', async () => {
  const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  assert.deepEqual(await result(`new Uint8Array(Buffer.from("${png}", "base64"))`), {
    'image/png': png,
    'text/plain': 'image/png of 70 bytes',
  });
});

test('a plotly figure is a plotly bundle that does not offer the cloud', async () => {
  const data = await result(
    '({ data: [{ type: "bar", x: [1], y: [2], name: "bytes" }], layout: { title: { text: "Held" } } })',
  );
  const figure = data['application/vnd.plotly.v1+json'] as { config: object };
  assert.deepEqual(figure.config, { showSendToCloud: false, displaylogo: false });
  assert.equal(data['text/plain'], 'plotly figure Held: bar "bytes"');
});

test('a bundle with only HTML gets its words as text', async () => {
  const { outputs } = await kernel.execute('display({ "text/html": "<p>Two <b>words</b></p>" })');
  const shown = outputs.find(({ header }) => header.msg_type === 'display_data')!;
  assert.deepEqual(dataOf(shown), { 'text/plain': 'Two words', 'text/html': '<p>Two <b>words</b></p>' });
});

test('a display is replaced from a later cell by its id', async () => {
  await kernel.execute('const handle = display("first", { id: "shared" });');
  const { outputs } = await kernel.execute(
    'await handle.update("second"); display("third", { id: "shared", update: true })',
  );
  const updates = outputs.filter(({ header }) => header.msg_type === 'update_display_data');
  assert.deepEqual(
    updates.map((one) => [dataOf(one)['text/plain'], one.content.transient]),
    [
      [`'second'`, { display_id: 'shared' }],
      [`'third'`, { display_id: 'shared' }],
    ],
  );
});

test('progress is one line that updates at most ten times a second and ends with its time', async () => {
  const began = performance.now();
  const { outputs } = await kernel.execute(
    'for (const n of progress(Array.from({ length: 400 }, (_, n) => n), "tokens")) { const end = performance.now() + 2; while (performance.now() < end); }',
  );
  const seconds = (performance.now() - began) / 1000;
  const lines = outputs.filter(({ header }) => /display_data$/.test(header.msg_type));
  assert.equal(lines.filter(({ header }) => header.msg_type === 'display_data').length, 1);
  assert.ok(lines.length <= seconds * 10 + 3, `${lines.length} lines in ${seconds} s`);
  assert.ok(lines.length >= 5);
  assert.match(String(dataOf(lines.at(-1)!)['text/plain']), /^tokens: █{24} 100 % 400\/400 \(.*\/s, in \d/);
});

test('progress without a total counts, over async iterables too', async () => {
  const { outputs } = await kernel.execute(
    'async function* items() { yield 1; yield 2; } for await (const one of progress(items())) {}',
  );
  const last = outputs.filter(({ header }) => /display_data$/.test(header.msg_type)).at(-1)!;
  assert.match(String(dataOf(last)['text/plain']), /^2 \(/);
});
