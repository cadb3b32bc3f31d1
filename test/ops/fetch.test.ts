import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  apart,
  assignZones,
  choosePages,
  every,
  first,
  keyBound,
  lastBlocks,
  methods,
  pagesBy,
  rest,
} from '@kvlab/ops';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
const request = { layers: 4, kvHeads: 2, promptLength: 400, bytesPerEntry: 512, zones: ['body'], reserved: 0 };

test('the best pages are read while they fit; of equal ones the earlier, and a page that does not fit ends the choice', () => {
  const entries = [4, 4, 4, 4];
  const cases: [number[], number[], number, number, number[]][] = [
    [[1, 3, 2, 0], entries, 2, Infinity, [1, 2]],
    [[1, 3, 2, 0], entries, Infinity, 11, [1, 2]],
    [[5, 5, 5, 5], entries, 3, Infinity, [0, 1, 2]],
    [[9, 8, 7, 6], [4, 8, 4, 4], Infinity, 8, [0]],
    [[9, 8, 7, 6], entries, 0, Infinity, []],
    [[9, 8, 7, 6], entries, 4, 3, []],
    [[], [], 4, Infinity, []],
  ];
  for (const [scores, sizes, pages, room, expected] of cases)
    assert.deepEqual(choosePages(scores, sizes, pages, room), expected);
});

test('a total budget says what a head may read of all zones', () => {
  const entries = (options: object) => methods.quest(options).fetchOf('body').entries(request);
  assert.equal(entries({ keep: 0.25 }), 100);
  assert.equal(entries({ keep: 1 }), Infinity);
  assert.equal(entries({ entries: 37 }), 37);
  assert.equal(entries({ bytes: 50 * 512 * 8 }), 50);
  assert.equal(entries({ read: 0.5 }), 200);
  assert.equal(pagesBy(keyBound(), { pages: 3 }).entries(request), Infinity);
});

test('a fetch says in words how much it reads, by what, and from where on', () => {
  const { slots } = methods.quest({ keep: 0.2 });
  const fetch = slots.find(({ slot }) => slot === 'fetch')!;
  assert.deepEqual(fetch, {
    slot: 'fetch',
    text: 'body 20 % by upper bound of the product, from layer 2 on, after the prompt',
    neutral: false,
  });
});

test('blocks of equal length cover the text, and the last one is open until it is full', () => {
  const cut = (tokens: number) =>
    every(4)
      .cut(upTo(tokens).map(String))
      .map(({ from, to, open }) => [from, to, open]);
  assert.deepEqual(cut(0), []);
  assert.deepEqual(cut(3), [[0, 3, true]]);
  assert.deepEqual(cut(8), [[0, 4, false], [4, 8, false]]); // biome-ignore format: one line a case
  assert.deepEqual(cut(9), [[0, 4, false], [4, 8, false], [8, 9, true]]); // biome-ignore format: one line a case
});

test('the local window gives whole blocks away, and holds between its amount and a block less', () => {
  const rules = [
    { zone: 'init', rule: first(2) },
    { zone: 'local', rule: lastBlocks(4) },
    { zone: 'body', rule: rest },
  ];
  const names = ['fresh', 'init', 'local', 'body'];
  for (const tokens of upTo(40).map((i) => i + 1)) {
    const candidates = {
      count: tokens,
      position: Int32Array.from(upTo(tokens)),
      score: new Float32Array(tokens),
      seen: tokens,
    };
    const amountOf = (zone: string) => (zone === 'local' ? 10 : Infinity);
    const zones = [...assignZones(rules, names, candidates, new Uint8Array(tokens), amountOf)];
    const [local, body] = [2, 3].map((z) => zones.filter((own) => own === z).length) as [number, number];
    assert.equal((2 + body) % 4, body ? 0 : 2, `${tokens} tokens: ${body} in blocks`);
    assert.ok(local <= 10 && (body === 0 || local > 6), `${tokens} tokens: ${local} in the window`);
  }
});

test('what is read apart has all keys at one distance from every query', () => {
  const zone = { position: Int32Array.of(3, 9), rank: Int32Array.of(0, 1) };
  const queries = { position: Int32Array.of(20, 21), readBefore: 2, visibleBefore: Int32Array.of(2, 3) };
  const { keys, queries: seen } = apart(7).place(zone, queries, false);
  assert.deepEqual([[...keys], [...seen]], [[0, 0], [7, 7]]); // biome-ignore format: one line
  assert.throws(() => apart(0.5), /attend apart: distance is 0\.5; give a whole number of tokens from 0/);
});
