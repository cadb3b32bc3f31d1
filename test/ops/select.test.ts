import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  above,
  assignZones,
  byPart,
  first,
  hashedUniform,
  last,
  leaves,
  openOrConcluded,
  type Rule,
  remainder,
  rest,
  type Segment,
  taskTree,
  top,
  topChunks,
  zones,
} from '@kvlab/ops';

interface Case {
  position: number[];
  score?: number[];
  current?: number[];
  seen?: number;
  amounts?: Record<string, number>;
  segments?: Segment[];
}

/** Positions in each zone, ascending; `left` names those that no rule took. */
function placed(
  rules: Record<string, Rule>,
  { position, score, current, seen, amounts = {}, segments }: Case,
): Record<string, number[]> {
  const names = ['fresh', ...Object.keys(rules)];
  const out = assignZones(
    zones(rules).keys,
    names,
    {
      count: position.length,
      position: Int32Array.from(position),
      score: Float32Array.from(score ?? position.map(() => 0)),
      seen: seen ?? Math.max(...position, -1) + 1,
      ...(segments ? { segments } : {}),
    },
    Uint8Array.from(current ?? position.map(() => 0)),
    (zone) => amounts[zone] ?? Number.POSITIVE_INFINITY,
  );
  const at = (number: number) => position.filter((_, i) => out[i] === number).sort((a, b) => a - b);
  return { ...Object.fromEntries(names.slice(1).map((zone, i) => [zone, at(i + 1)])), left: at(leaves) };
}
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

test('StreamingLLM keeps tokens 0, 1, 7, 8 and 9 of ten with two sinks and three recent', () => {
  const found = placed({ sinks: first(2), recent: last(3) }, { position: upTo(10) });
  assert.deepEqual(found, { sinks: [0, 1], recent: [7, 8, 9], left: [2, 3, 4, 5, 6] });
});

test('half of twenty tokens with four sinks are 0 to 3 and 14 to 19', () => {
  const found = placed({ sinks: first(4), recent: last }, { position: upTo(20), amounts: { recent: 6 } });
  assert.deepEqual([found.sinks, found.recent], [upTo(4), [14, 15, 16, 17, 18, 19]]);
});

test('a sink that has left makes no later token a sink', () => {
  const found = placed({ sinks: first(4), recent: last(2) }, { position: [0, 2, 9, 10, 11] });
  assert.deepEqual(found, { sinks: [0, 2], recent: [10, 11], left: [9] });
});

test('KIVI leaves 104 of 1,000 keys exact and the last 128 values', () => {
  const position = upTo(1000);
  assert.equal(placed({ residual: remainder(128), body: rest }, { position }).residual!.length, 104);
  assert.deepEqual(placed({ residual: last(128), body: rest }, { position }).residual!.slice(0, 1), [872]);
});

test('the remainder empties when a whole group is full', () => {
  const sizes = [1, 31, 32, 33, 64].map(
    (n) => placed({ residual: remainder(32), body: rest }, { position: upTo(n) }).residual!.length,
  );
  assert.deepEqual(sizes, [1, 31, 0, 1, 0]);
});

test('the highest scores stay, and among equal scores the lowest positions', () => {
  const score = [1, 3, 3, 3, 0];
  assert.deepEqual(placed({ heavy: top(2) }, { position: upTo(5), score }).heavy, [1, 2]);
  assert.deepEqual(placed({ heavy: top(2) }, { position: [9, 4, 2, 7, 1], score }).heavy, [2, 4]);
});

test('an earlier rule takes first, and the next one chooses among what is left', () => {
  const score = [9, 1, 5, 8, 7];
  const found = placed({ recent: last(2), heavy: top(2) }, { position: upTo(5), score });
  assert.deepEqual(found, { recent: [3, 4], heavy: [0, 2], left: [1] });
});

test('an entry moves only down the list of zones', () => {
  // Zone 2 is `body`: what is there may not become exact again, however new it is.
  const found = placed({ residual: last(3), body: rest }, { position: upTo(5), current: [2, 2, 0, 2, 1] });
  assert.deepEqual(found, { residual: [2, 4], body: [0, 1, 3], left: [] });
});

test('a zone without room takes nothing, and one without limit takes all', () => {
  assert.deepEqual(placed({ heavy: top(0), body: rest }, { position: upTo(3) }).body, [0, 1, 2]);
  assert.deepEqual(placed({ body: rest }, { position: upTo(3) }).left, []);
  assert.deepEqual(placed({ recent: last(3) }, { position: [] }), { recent: [], left: [] });
});

test('the physical order of entries does not change what is chosen', () => {
  const rules = { sinks: first(3), recent: last(5), heavy: top(7) };
  for (let trial = 0; trial < 50; trial++) {
    const count = Math.floor(hashedUniform(trial, 0, 0, 0) * 40);
    const position = upTo(count).map((i) => 2 * i);
    const score = position.map((p) => Math.floor(hashedUniform(trial, p, 1, 0) * 5));
    const shuffled = upTo(count).sort((a, b) => hashedUniform(trial, a, 2, 0) - hashedUniform(trial, b, 2, 0));
    const pick = (list: number[]) => shuffled.map((i) => list[i]!);
    assert.deepEqual(
      placed(rules, { position: pick(position), score: pick(score) }),
      placed(rules, { position, score }),
      `trial ${trial}`,
    );
  }
});

test('top takes exactly what a full sort would take', () => {
  for (let trial = 0; trial < 100; trial++) {
    const count = 1 + Math.floor(hashedUniform(trial, 3, 0, 0) * 60);
    const score = upTo(count).map((i) => Math.floor(hashedUniform(trial, i, 4, 0) * 9));
    const amount = Math.floor(hashedUniform(trial, 5, 0, 0) * (count + 2));
    const sorted = upTo(count).sort((a, b) => score[b]! - score[a]! || a - b);
    const expected = sorted.slice(0, amount).sort((a, b) => a - b);
    assert.deepEqual(placed({ heavy: top(amount) }, { position: upTo(count), score }).heavy, expected);
  }
});

test('keys and values may have rules of their own over the same zones', () => {
  const { keys, values } = byPart({
    keys: zones({ residual: remainder(2), body: rest }),
    values: zones({ residual: last(2), body: rest }),
  });
  assert.deepEqual(
    [keys.map(({ rule }) => rule.name), values.map(({ rule }) => rule.name)],
    [
      ['remainder', 'rest'],
      ['last', 'rest'],
    ],
  );
});

test('whole chunks stay, best mean first, while they fit', () => {
  const score = [0, 9, 1, 1, 4, 4, 3, 3];
  const found = placed({ heavy: topChunks(2) }, { position: upTo(8), score, amounts: { heavy: 5 } });
  assert.deepEqual(found.heavy, [0, 1, 4, 5]);
});

test('of a chunk that is larger than the amount the first entries stay', () => {
  const found = placed(
    { heavy: topChunks(4) },
    { position: upTo(8), score: [0, 0, 0, 0, 1, 1, 1, 1], amounts: { heavy: 3 } },
  );
  assert.deepEqual(found.heavy, [4, 5, 6]);
  assert.throws(() => topChunks(0), /length is 0; give a whole number/);
});

test('chunks are cut by absolute position, also after entries left', () => {
  const found = placed({ heavy: topChunks(4) }, { position: [1, 4, 6, 9], score: [2, 9, 0, 5], amounts: { heavy: 3 } });
  assert.deepEqual(found.heavy, [4, 6, 9]);
});

test('a threshold lets any number of entries stay', () => {
  assert.deepEqual(placed({ kept: above(0.5) }, { position: upTo(4), score: [0.9, 0.8, 0.5, 0.1] }).kept, [0, 1]);
});

/** A text of tasks, cut into one token for each character, and the positions of a part of it. */
const text =
  '{"thought":"plan","subtasks":[{"thought":"a","subtasks":[{"conclusion":"deep"}],"conclusion":"A"},{"conclusion":"B"}],"x":1';
const positionsOf = (part: string) => upTo(part.length).map((i) => text.indexOf(part) + i);

test('when a list of subtasks closes, only the conclusions of its own tasks stay', () => {
  const segments = taskTree().cut([...text]);
  const { live } = placed({ live: openOrConcluded(0) }, { position: upTo(text.length), segments });
  const stays = (part: string) => positionsOf(part).every((p) => live!.includes(p));
  const leaves = (part: string) => positionsOf(part).every((p) => !live!.includes(p));
  assert.ok(stays('{"thought":"plan"') && stays('"x":1'));
  assert.ok(stays('"A"') && stays('"B"'));
  assert.ok(leaves('{"thought":"a"') && leaves('"deep"'));
});

test('closed lists that are to be kept stay whole, and an open list loses nothing', () => {
  const segments = taskTree().cut([...text]);
  const all = placed({ live: openOrConcluded(2) }, { position: upTo(text.length), segments });
  assert.deepEqual(all.left, []);
  // The inner list closed first, so one list to keep is the outer one, and the inner one is pruned in it.
  const one = placed({ live: openOrConcluded(1) }, { position: upTo(text.length), segments });
  assert.ok(one.left!.length > 0 && positionsOf('"deep"').every((p) => one.live!.includes(p)));
  const half = text.slice(0, text.indexOf('"A"'));
  const open = placed(
    { live: openOrConcluded(1) },
    { position: upTo(half.length), segments: taskTree().cut([...half]) },
  );
  assert.deepEqual(open.left, []);
});

test('however many leave, those with the largest scores stay, and among equal ones the first', () => {
  const random = (n: number) => hashedUniform(7, n, 0, 0);
  for (let round = 0; round < 60; round++) {
    const count = 1 + Math.floor(random(3 * round) * 40);
    const amount = Math.floor(random(3 * round + 1) * (count + 2));
    const position = Array.from({ length: count }, (_, i) => (i * 17) % 41).sort(
      (a, b) => ((a * 7) % 13) - ((b * 7) % 13),
    );
    const score = position.map((_, i) => Math.floor(random(1000 + 41 * round + i) * 5));
    const byWorth = position.map((_, i) => i).sort((a, b) => score[b]! - score[a]! || position[a]! - position[b]!);
    const kept = byWorth.slice(0, amount).map((i) => position[i]!);
    const { heavy } = placed({ heavy: top }, { position, score, amounts: { heavy: amount } });
    assert.deepEqual(
      heavy,
      kept.sort((a, b) => a - b),
    );
  }
});
