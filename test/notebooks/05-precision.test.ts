import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cellOf, execute, type Notebook, numbersOf, printed, savedRuns } from './executed.ts';

let lesson: Notebook;
before(async () => {
  lesson = await execute('05-precision.ipynb');
});

const divergences = (id: string): Map<string, number> =>
  new Map([...printed(cellOf(lesson, id)).matchAll(/^(\S.*?) +KL (\d+\.\d{3}) /gm)].map((m) => [m[1]!, Number(m[2])]));

test('lesson 5 opens with a recorded run whose keys have channels that err far more than others, and whose values have not', () => {
  assert.equal(savedRuns(cellOf(lesson, 'recorded'))[0]!.header.info.method.name, 'KIVI');
  const { keys } = numbersOf(lesson, 'recorded-error', /^keys.* has (?<keys>[\d.]+) times/m);
  const { values } = numbersOf(lesson, 'recorded-error', /^values.* has (?<values>[\d.]+) times/m);
  assert.ok(keys! > 2 && values! < 2, `${keys} and ${values}`);
});

test('lesson 5 computes by hand that a group over a channel spares the small numbers', () => {
  const { token } = numbersOf(lesson, 'grid', /each token .* error (?<token>[\d.]+)/);
  const { channel } = numbersOf(lesson, 'grid', /each channel.* error (?<channel>[\d.]+)/);
  assert.deepEqual([token, channel], [0.385, 0.051]);
});

test('lesson 5 measures that the grouping of keys decides', () => {
  const kl = divergences('variants');
  assert.equal(kl.size, 4);
  const worstByChannel = Math.max(kl.get('K by channel, V by token')!, kl.get('K by channel, V by channel')!);
  const bestByToken = Math.min(kl.get('K by token, V by token')!, kl.get('K by token, V by channel')!);
  assert.ok(bestByToken > 1.3 * worstByChannel, `${bestByToken} against ${worstByChannel}`);
  assert.ok(kl.get('K by channel, V by token')! < kl.get('K by channel, V by channel')!);
});

test('lesson 5 sees the distance fall with every bit, faster than the bytes', () => {
  const kl = [...divergences('bits').values()];
  assert.equal(kl.length, 4);
  assert.ok(kl[0]! > 4 * kl[1]! && kl[1]! > 4 * kl[2]! && kl[2]! > kl[3]!, kl.join());
  const numbers = [...printed(cellOf(lesson, 'bits')).matchAll(/numbers +([\d.]+) MiB/g)].map((m) => Number(m[1]));
  assert.ok(numbers.length === 5 && numbers[3]! < 2.5 * numbers[0]!, numbers.join());
});
