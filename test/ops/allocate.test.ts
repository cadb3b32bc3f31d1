import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AllocationRequest, entriesOf, everything, methods, uniform } from '@kvlab/ops';

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
