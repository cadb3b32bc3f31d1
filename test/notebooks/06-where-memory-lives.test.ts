import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cellOf, execute, type Notebook, numbersOf, printed, savedRuns } from './executed.ts';

let lesson: Notebook;
before(async () => {
  lesson = await execute('06-where-memory-lives.ipynb');
});

test('lesson 6 opens with a recorded run that reads a third of its keys and most of its attention', () => {
  assert.equal(savedRuns(cellOf(lesson, 'recorded'))[0]!.header.info.method.name, 'Quest');
  const { keys, mass } = numbersOf(lesson, 'recorded-reads', /(?<keys>\d+) % of the keys are read, and (?<mass>\d+) %/);
  assert.ok(keys! < 40 && mass! > 70, `${keys} and ${mass}`);
  assert.equal(printed(cellOf(lesson, 'recorded-reads')).match(/^layer/gm)!.length, 6);
});

test('lesson 6 measures that reading a fifth of all is nearer than keeping a fifth, and costs more bytes than keeping all', () => {
  const rows = [...printed(cellOf(lesson, 'live')).matchAll(/^(\w+) +KL (\d\.\d+) .* held ([\d.]+) MiB/gm)];
  const of = new Map(rows.map((row) => [row[1]!, { kl: Number(row[2]), held: Number(row[3]) }]));
  assert.ok(of.get('Quest')!.kl < of.get('H2O')!.kl / 2);
  assert.ok(of.get('Quest')!.held > of.get('full')!.held && of.get('H2O')!.held < of.get('full')!.held / 2);
});

test('lesson 6 counts bytes by tier and what goes over the link, and says that its milliseconds are estimated', () => {
  const tiers = new Map(
    [...printed(cellOf(lesson, 'tiers')).matchAll(/^(\w+) +([\d.]+) MiB$/gm)].map((m) => [m[1]!, Number(m[2])]),
  );
  assert.deepEqual([...tiers.keys()], ['device', 'host', 'disk']);
  assert.ok(tiers.get('host')! > 1 && tiers.get('disk') === 0);
  const { there } = numbersOf(lesson, 'tiers', /in a step: (?<there>[\d.]+) MiB and .* ms, estimated/);
  assert.ok(there! > 0);
});

test('lesson 6 keeps the conclusions of a tree of tasks and nothing else of its closed lists', () => {
  const { held, of } = numbersOf(lesson, 'tree', /(?<held>\d+) of (?<of>\d+) tokens are still in the cache/);
  assert.ok(held! < of! / 2);
  const text = printed(cellOf(lesson, 'tree'));
  assert.match(text, /take the first.*the key is under the pears/s);
  assert.doesNotMatch(text, /ask Ida|at seven/);
});
