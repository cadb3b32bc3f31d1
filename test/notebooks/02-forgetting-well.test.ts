import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cellOf, execute, type Notebook, numbersOf, printed, savedRuns } from './executed.ts';

let lesson: Notebook;
before(async () => {
  lesson = await execute('02-forgetting-well.ipynb');
});

/** Perplexities that a cell printed, by method and setting. */
const perplexities = (id: string): Map<string, number> =>
  new Map(
    [...printed(cellOf(lesson, id)).matchAll(/^(\S.*?) +\d+ entries a head, perplexity ([\d.]+)$/gm)].map((m) => [
      m[1]!,
      Number(m[2]),
    ]),
  );

/** Mean KL and megabytes of each method in the forced comparison. */
function compared(): Map<string, { kl: number; megabytes: number }> {
  const rows = printed(cellOf(lesson, 'compare-bars')).matchAll(/^(\S.*?) +KL (\d\.\d+) +([\d.]+) MB/gm);
  return new Map([...rows].map((m) => [m[1]!, { kl: Number(m[2]), megabytes: Number(m[3]) }]));
}

test('lesson 2 sees a small window collapse, and one sink rescue most of it', () => {
  const window = perplexities('window');
  const sinks = perplexities('sinks');
  const [full, collapsed] = [window.get('full')!, window.get('window recent 64')!];
  const [one, four] = [...sinks.values()];
  assert.ok(collapsed > 2 * full, `${collapsed} against ${full}`);
  assert.ok(one! < (full + collapsed) / 2 && four! < (full + collapsed) / 2, `${one} and ${four}`);
  const { rescued } = numbersOf(lesson, 'sinks', /back (?<rescued>\d+) %/);
  assert.equal(rescued, Math.round((100 * (collapsed - one!)) / (collapsed - full)));
});

test('lesson 2 measures the window further from the full cache than sinks, heavy hitters and votes at one budget', () => {
  const rows = compared();
  const kl = (name: string) => rows.get(name)!.kl;
  assert.equal(kl('full'), 0);
  assert.ok(kl('window keep 20 %') > kl('StreamingLLM keep 20 %'));
  assert.ok(kl('StreamingLLM keep 20 %') > kl('H2O keep 20 %'));
  assert.ok(kl('StreamingLLM keep 20 %') > kl('SnapKV keep 20 %'));
  for (const name of ['window keep 20 %', 'StreamingLLM keep 20 %', 'H2O keep 20 %', 'SnapKV keep 20 %'])
    assert.ok(rows.get(name)!.megabytes < 0.3 * rows.get('full')!.megabytes, name);
});

test('lesson 2 loses little with four bits and more with two, in fewer bytes than the full cache', () => {
  const rows = compared();
  const [two, four] = [rows.get('KIVI bits 2, residual 32')!, rows.get('KIVI bits 4, residual 32')!];
  assert.ok(four.kl < 0.1 && four.kl < two.kl, `${four.kl} and ${two.kl}`);
  assert.ok(two.megabytes < four.megabytes && four.megabytes < 0.35 * rows.get('full')!.megabytes);
});

test('lesson 2 counts which heads hold the word that the question is about', () => {
  const holders = (id: string) =>
    [...printed(cellOf(lesson, id)).matchAll(/^(\d+) of 90 heads hold " eleven"/gm)].map((m) => Number(m[1]));
  const [streaming, heavy] = holders('heavy');
  const [snap] = holders('snap');
  assert.equal(streaming, 0, 'sinks and a window forget the middle');
  assert.ok(heavy! > 0 && snap! > 0);
  assert.deepEqual(holders('kivi'), [90, 90], 'KIVI evicts nothing');
});

test('lesson 2 leaves every finished run in its outputs', () => {
  const names = ['heavy', 'snap', 'kivi'].flatMap((id) =>
    savedRuns(cellOf(lesson, id)).map(({ header }) => header.info.method.name),
  );
  assert.deepEqual(names, ['StreamingLLM', 'H2O', 'SnapKV', 'KIVI', 'KIVI']);
});
