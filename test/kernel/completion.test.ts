import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Content } from '../../kernel/src/protocol/messages.ts';
import { startKernel, type TestKernel } from './client.ts';

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
});
after(() => kernel.stop());

interface Shown {
  text: string;
  type: string;
  signature: string;
  start: number;
  end: number;
}

/** Completes at the `|`; the cursor is sent in code points. */
async function complete(marked: string): Promise<{ content: Content; shown: Shown[]; ms: number }> {
  const [before, rest = ''] = marked.split('|');
  const began = performance.now();
  const request = { code: before + rest, cursor_pos: [...before!].length };
  const { content } = await kernel.request('shell', 'complete_request', request);
  const shown = (content.metadata as { _jupyter_types_experimental: Shown[] })._jupyter_types_experimental;
  return { content, shown, ms: performance.now() - began };
}

async function inspect(marked: string, detail = 0): Promise<Content> {
  const [before, rest = ''] = marked.split('|');
  const request = { code: before + rest, cursor_pos: [...before!].length, detail_level: detail };
  return (await kernel.request('shell', 'inspect_request', request)).content;
}

test('members are completed with kind, signature and documentation', async () => {
  const { content, shown } = await complete('[1, 2].fin|');
  assert.deepEqual(content.matches, ['find', 'findIndex', 'findLast', 'findLastIndex']);
  assert.deepEqual([content.cursor_start, content.cursor_end], [7, 10]);
  assert.equal(shown[0]!.type, 'method');
  assert.match(shown[0]!.signature, /^\(method\) Array<number>\.find.* - Returns the value of the first element/);
});

test('after an emoji positions are code points', async () => {
  const { content } = await complete('const s = "😀😀"; Math.flo|');
  assert.deepEqual(content.matches, ['floor']);
  assert.deepEqual([content.cursor_start, content.cursor_end], [21, 24]);
});

test('names of earlier cells, also imported ones, are completed and inspected', async () => {
  await kernel.execute('/** How many owls there are. */\nconst owlCount = 3; import * as aq from "arquero";');
  assert.deepEqual((await complete('owl|')).content.matches, ['owlCount']);
  const members = (await complete('aq.table({ a: [1] }).group|')).content.matches;
  assert.ok((members as string[]).includes('groupby'));
  const { data, found } = await inspect('owlCo|unt');
  assert.equal(found, true);
  const text = (data as Record<string, string>)['text/plain']!;
  assert.match(text, /const owlCount: 3/);
  assert.match(text, /How many owls there are\./);
  assert.match((data as Record<string, string>)['text/markdown']!, /^```typescript\n/);
});

test('keys of an options object are completed, and their comments are shown', async () => {
  await kernel.execute(
    'interface Options { /** Share that is kept, above 0. */ keep: number; seed?: number } function method(options: Options) { return options; }',
  );
  const { content, shown } = await complete('method({ ke| })');
  assert.deepEqual(content.matches, ['keep']);
  assert.match(shown[0]!.signature, /Share that is kept/);
});

test('module names are completed inside of an import', async () => {
  const { content } = await complete('import { x } from "node:f|"');
  assert.ok((content.matches as string[]).includes('node:fs/promises'), String(content.matches));
  assert.ok(
    ((await complete('import { readFi| } from "node:fs"')).content.matches as string[]).includes('readFileSync'),
  );
});

test('nothing found is no error, and odd cursors are harmless', async () => {
  assert.deepEqual((await complete('zzzzzz|')).content.matches, []);
  assert.equal((await inspect('   |')).found, false);
  for (const cursor_pos of [-5, 999, 0]) {
    const { content } = await kernel.request('shell', 'complete_request', { code: 'Math.', cursor_pos });
    assert.equal(content.status, 'ok');
  }
});

test('inspection tells the signature, and with detail where it is declared', async () => {
  const { data } = await inspect('Math.max|(1, 2)', 1);
  const text = (data as Record<string, string>)['text/plain']!;
  assert.match(text, /Math\.max\(\.\.\.values: number\[\]\): number/);
  assert.match(text, /Returns the larger of a set/);
  assert.match(text, /declared in .*lib\.es5\.d\.ts/);
});

test('a console is told what is complete, incomplete with its indent, or wrong', async () => {
  const ask = async (code: string) => (await kernel.request('shell', 'is_complete_request', { code })).content;
  assert.deepEqual(await ask('for (const x of [1]) {'), { status: 'incomplete', indent: '  ' });
  assert.deepEqual(await ask('  foo(1,'), { status: 'incomplete', indent: '  ' });
  assert.deepEqual(await ask('const f = <T>(x: T) => x;'), { status: 'complete' });
  assert.deepEqual(await ask('await fetch("x")'), { status: 'complete' });
  assert.deepEqual(await ask('let 5'), { status: 'invalid' });
});

test('answers come fast in a notebook that imports arquero and kvlab', async () => {
  await kernel.execute('import * as kvlab from "kvlab"; import * as aqTables from "arquero";');
  const times: number[] = [];
  for (let n = 0; n < 20; n++) times.push((await complete(`const a${n} = 1; aqTables.table({}).fil|`)).ms);
  times.sort((a, b) => a - b);
  // The bench prints the figures; here only a loss of an order of magnitude fails, because machines are shared.
  assert.ok(times[10]! < 1000, `median ${times[10]} ms`);
});
