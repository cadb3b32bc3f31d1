import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cellOf, execute, type Notebook, printed, savedRuns, textOf } from './executed.ts';

let lesson: Notebook;
before(async () => {
  lesson = await execute('03-write-your-own-method.ipynb');
});

/** The value of a cell in words. */
const shown = (id: string): string =>
  cellOf(lesson, id)
    .outputs!.filter(({ output_type }) => output_type === 'execute_result')
    .map(({ data }) => textOf(data!['text/plain'] as string))
    .join();

/** Mean KL by method in the value of a comparison. */
const divergences = (id: string): Record<string, number> =>
  Object.fromEntries(
    [...shown(id).matchAll(/^(\w+)(?: \(.*?\))? +(\d+\.\d{3}) +\d+ %/gm)].map((m) => [m[1]!, Number(m[2])]),
  );

test('lesson 3 writes an operator and a method in fewer than twenty lines', () => {
  const lines = ['first-score', 'own-method'].flatMap((id) => textOf(cellOf(lesson, id).source).split('\n'));
  assert.ok(lines.length < 20, `${lines.length} lines`);
});

test('lesson 3 plants a mistake; the check names the element, both numbers and what to look for', () => {
  assert.match(
    printed(cellOf(lesson, 'check-broken')),
    /^value-size, example by its graph: score differs in 3 of 3 elements; at \[0, 2\] it is 10 but should be 5\. It is 2 times what it should be everywhere: look for a sum or a mean\.$/m,
  );
  assert.match(
    shown('check-fixed'),
    /value-size: example and 20 random cases hold; graph \(wasm\) and reference agree/,
  );
});

test('lesson 3 runs the new operator by hand and the new method live, with its slots and its budget', () => {
  assert.match(printed(cellOf(lesson, 'by-hand')), /Float32Array\(3\) \[ 0\.15\d*, 2, 0 \]/);
  const [run] = savedRuns(cellOf(lesson, 'watch'));
  assert.deepEqual([run!.header.info.method.name, run!.header.state], ['largeValues', 'finished']);
  const heads = /is held by (\d+) of 90 heads/.exec(printed(cellOf(lesson, 'kept')))!;
  assert.ok(Number(heads[1]) < 45, 'most heads drop the sink, whose values are small');
});

test('lesson 3 compares: large values beat chance, not H2O, and the opposite sign is better', () => {
  const first = divergences('compare');
  assert.deepEqual(Object.keys(first), ['full', 'largeValues', 'random', 'window', 'H2O']);
  assert.ok(first['largeValues']! < first['random']! && first['largeValues']! > first['H2O']! * 2);
  assert.ok(first['largeValues']! > first['window']! * 0.8, 'no better than the newest entries alone');
  const second = divergences('opposite');
  assert.ok(second['smallValues']! < first['largeValues']! * 0.7 && second['smallValues']! > second['H2O']!);
  assert.equal(second['largeValues'], first['largeValues'], 'the same figures again');
});

test('lesson 3 leaves both comparisons in its outputs, in four forms', () => {
  for (const id of ['compare', 'opposite']) assert.equal(savedRuns(cellOf(lesson, id)).length, 1);
});
