import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AllocationRequest,
  acrossHeads,
  byHeadClass,
  byPressure,
  echoHeads,
  entriesOf,
  everything,
  fallingAmounts,
  hashedUniform,
  largestRemainder,
  methods,
  ofBudget,
  pyramid,
  shared,
  tensor,
  uniform,
} from '@kvlab/ops';

const request = (o: Partial<AllocationRequest> = {}): AllocationRequest => ({
  layers: 2,
  kvHeads: 3,
  promptLength: 100,
  bytesPerEntry: 512,
  zones: ['recent', 'heavy'],
  reserved: 0,
  ...o,
});

test('a share of the prompt is what is left after removing the rounded rest, and never nothing', () => {
  const kept = (length: number, removed: number) => entriesOf(1 - removed, length);
  assert.deepEqual([kept(1000, 0.9), kept(100, 0.9), kept(10, 0.8), kept(10, 0.9), kept(3, 0.9)], [100, 10, 2, 1, 1]);
  assert.equal(entriesOf(0, 100), 0);
  assert.equal(entriesOf(64, 10), 64);
});

test('half an entry rounds to the even number that leaves', () => {
  assert.deepEqual([entriesOf(0.5, 5), entriesOf(0.5, 7), entriesOf(0.5, 3)], [3, 3, 1]);
});

test('zones that are named hold their amounts, in every layer and head', () => {
  const found = uniform({ heavy: 0.1, recent: 20 }).allocate(request());
  assert.deepEqual([...found.get('heavy')!], new Array(6).fill(10));
  assert.deepEqual([...found.get('recent')!], new Array(6).fill(20));
});

test('zones that are not named share what a total leaves, the first one getting the odd entry', () => {
  const found = uniform({ entries: 21 }).allocate(request());
  assert.deepEqual([found.get('recent')![0], found.get('heavy')![0]], [11, 10]);
  const reserved = uniform({ keep: 0.2, recent: 4 }).allocate(request({ reserved: 3 }));
  assert.equal(reserved.get('heavy')![5], 13);
});

test('a budget in bytes is divided by the exact bytes of all layers and heads', () => {
  const found = uniform({ bytes: 512 * 6 * 10 + 100 }).allocate(request());
  assert.deepEqual([found.get('recent')![0], found.get('heavy')![0]], [5, 5]);
});

test('keep 1 has no limit, also for what is generated after the prompt', () => {
  assert.equal(uniform({ keep: 1 }).allocate(request()).get('heavy')![0], Number.POSITIVE_INFINITY);
});

test('a budget smaller than sinks and window is refused with both numbers', () => {
  assert.throws(
    () => uniform({ entries: 10, recent: 32 }).allocate(request()),
    /uniform: the budget is 10 entries a head, but 32 are spoken for \(recent, fixed rules\); raise the budget/,
  );
});

test('everything sets no limit', () => {
  assert.equal(everything.allocate(request()).size, 0);
});

test('a budget that cannot be meant is refused by the method', () => {
  assert.throws(() => methods.h2o({ keep: 0 }), /H2O: keep is 0; give a share above 0 and up to 1/);
  assert.throws(() => methods.h2o({ keep: 1.5 }), /H2O: keep is 1\.5/);
  assert.throws(() => methods.h2o({ keep: 0.5, entries: 10 }), /say the same thing; give one of them/);
  assert.throws(() => methods.h2o({ sinks: 4 } as object), /H2O: there is no option sinks; there is heavy, recent/);
});

test('a zone may hold a share of the budget: Keyformer keeps 60 of 100 entries, 18 of them recent', () => {
  const found = uniform({ keep: 0.6, recent: ofBudget(0.3) }).allocate(request());
  assert.deepEqual([found.get('recent')![0], found.get('heavy')![0]], [18, 42]);
});

test('the largest remainders are rounded up until the sum is met', () => {
  assert.deepEqual(largestRemainder([1.5, 2.25, 0.25], 4), [2, 2, 0]);
  assert.deepEqual(largestRemainder([0.5, 0.5, 0.5, 0.5], 2), [1, 1, 0, 0]);
});

test('a pyramid of 512 entries over 30 layers of a 1,024 token prompt falls from 960 to 64', () => {
  const amounts = fallingAmounts(512, 64, 30, 1024, 20);
  assert.deepEqual([amounts[0], amounts[29]], [960, 64]);
  assert.equal(
    amounts.reduce((a, b) => a + b, 0),
    512 * 30,
  );
  assert.ok(amounts.every((n, l) => l === 0 || n <= amounts[l - 1]!));
});

test('the pyramid keeps the whole budget, and a share of it as window in every layer', () => {
  const found = pyramid({ entries: 48, recent: 8 }).allocate(request({ layers: 6, kvHeads: 1, promptLength: 1000 }));
  const heavy = [...found.get('heavy')!];
  assert.equal(
    heavy.reduce((a, b) => a + b, 0),
    (48 - 8) * 6,
  );
  assert.deepEqual([...new Set(found.get('recent'))], [8]);
});

test('where a pyramid would leave a layer less than its window, what lies behind the window falls; in kvpress it is flat', () => {
  const behind = fallingAmounts(40, 32, 4, 1000, 20);
  assert.deepEqual(behind, [48, 43, 37, 32]);
  assert.equal(
    behind.reduce((a, b) => a + b, 0),
    160,
  );
  assert.deepEqual(fallingAmounts(40, 32, 4, 1000, 20, 'each layer'), [40, 40, 40, 40]);
});

test('heads share a budget by score: with nothing certain one head keeps 3 and the other 1, with two certain both keep 2', () => {
  const scores = [
    [9, 8, 7, 1],
    [2, 1, 1, 0],
  ];
  assert.deepEqual(shared(scores, 2, 0), [3, 1]);
  assert.deepEqual(shared(scores, 2, 2), [2, 2]);
});

test('sharing across heads never keeps less score than equal amounts, and spends the budget', () => {
  const keptScore = (list: number[], n: number) =>
    [...list]
      .sort((a, b) => b - a)
      .slice(0, n)
      .reduce((a, b) => a + b, 0);
  for (let trial = 0; trial < 50; trial++) {
    const lists = [0, 1, 2].map((h) => Array.from({ length: 30 }, (_, t) => hashedUniform(trial, h, t, 0) ** (h + 1)));
    const found = shared(lists, 8, 0);
    assert.equal(
      found.reduce((a, b) => a + b, 0),
      24,
    );
    const total = (of: (h: number) => number) => lists.reduce((sum, list, h) => sum + keptScore(list, of(h)), 0);
    assert.ok(total((h) => found[h]!) >= total(() => 8) - 1e-9);
    for (const n of shared(lists, 8, 4)) assert.ok(n >= 4);
  }
});

test('an allocation across heads asks for the scores of each layer', () => {
  const scores = (layer: number, kvHead: number) => Float32Array.from([layer, 5 - kvHead, 1, 0, 0, 0]);
  const found = acrossHeads({ entries: 4, recent: 2 }, { floor: 0.5 }).allocate(request({ scores }));
  assert.equal(
    [...found.get('heavy')!.subarray(0, 3)].reduce((a, b) => a + b, 0),
    6,
  );
  assert.throws(() => acrossHeads({}, { floor: 2 }), /floor is 2; give a share from 0 to 1/);
});

test('pressure takes 30 % of 100 entries, all but one of few, and more where memory is full', () => {
  const amount = (seen: number, ratio: number, pressure = 0, gain = 0) =>
    byPressure({}, { ratio, least: 16, gain })
      .allocate(request({ layers: 1, kvHeads: 1, zones: ['body'], now: { seen, pressure } }))
      .get('body')![0];
  assert.equal(amount(100, 0.3), 70);
  assert.equal(amount(10, 0.5), 9);
  assert.equal(amount(1000, 0.9), 99);
  assert.equal(amount(100, 0.3, 0.5, 0.4), 50);
});

test('retrieval heads have no limit, the others what is named for them', () => {
  const fit = echoHeads();
  const allocation = byHeadClass(fit, { retrieval: { sinks: 0 }, streaming: { sinks: 4, body: 0 } });
  const fitted = new Map([[`${fit.name}/retrieval`, tensor([2, 3], [0, 1, 0, 0, 0, 1])]]);
  const found = allocation.allocate(request({ fitted }));
  assert.deepEqual([...found.get('body')!], [0, Infinity, 0, 0, 0, Infinity]);
  assert.deepEqual([...found.get('sinks')!], [4, 0, 4, 4, 4, 0]);
  assert.throws(() => allocation.allocate(request()), /echo-heads .* has not been fitted/);
});
