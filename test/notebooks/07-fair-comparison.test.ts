import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cellOf, execute, type Notebook, printed, savedRuns } from './executed.ts';

let lesson: Notebook;
before(async () => {
  lesson = await execute('07-fair-comparison.ipynb');
});

test('lesson 7 opens with a recorded comparison in which a perplexity below that of the full cache is no better method', () => {
  assert.equal(savedRuns(cellOf(lesson, 'recorded')).length, 1);
  const rows = [...printed(cellOf(lesson, 'recorded-table')).matchAll(/^(.*?) +KL (\d\.\d+) +perplexity +([\d.]+)/gm)];
  assert.equal(rows.length, 8);
  const full = Number(rows[0]![3]);
  assert.ok(
    rows.some((row) => Number(row[3]) < full && Number(row[2]) > 0),
    'one has a lower perplexity',
  );
});

test('lesson 7 tells forced from free: KL for all, and the token where each text leaves', () => {
  const rows = [
    ...printed(cellOf(lesson, 'forced-free')).matchAll(/^(\w+) +KL (\d\.\d+) +(never leaves|leaves at token \d+): /gm),
  ];
  assert.deepEqual(
    rows.map((row) => row[1]),
    ['full', 'StreamingLLM', 'H2O', 'KIVI'],
  );
  assert.equal(rows[0]![3], 'never leaves');
  assert.ok(Number(rows[3]![2]) < Number(rows[2]![2]), 'four bits are nearer than a fifth of the entries');
});

test('lesson 7 has a pair whose order depends on which bytes are meant', () => {
  const rows = [
    ...printed(cellOf(lesson, 'bytes')).matchAll(
      /^(.*?) +KL [\d.]+ +claimed +(\d+) % {2}numbers and scales +(\d+) % {2}held +(\d+) %/gm,
    ),
  ].map((row) => ({ name: row[1]!, claimed: Number(row[2]), numbers: Number(row[3]), held: Number(row[4]) }));
  assert.equal(rows.length, 4);
  const [h2o, , kivi] = rows;
  assert.ok(h2o!.claimed < kivi!.claimed && h2o!.numbers > kivi!.numbers, JSON.stringify(rows));
});

test('lesson 7 measures SnapKV further from the key when the question was unseen', () => {
  const rows = [
    ...printed(cellOf(lesson, 'seen')).matchAll(
      /^(\w+) +(seen|unseen) +right +(\d+) % +perplexity of the key ([\d.]+)/gm,
    ),
  ];
  const of = new Map(rows.map((row) => [`${row[1]} ${row[2]}`, Number(row[4])]));
  assert.equal(of.size, 6);
  assert.ok(of.get('SnapKV unseen')! > 2 * of.get('SnapKV seen')!);
  assert.ok(of.get('full seen')! < 2);
  assert.match(printed(cellOf(lesson, 'csv')), /^# task passkey, .*\nmethod,setting,keep,question,/);
});
