/** Works when: the observation window votes, votes are pooled over positions, and each head keeps its best tokens of the
 *  prompt beside the window. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lab, methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { promptLength, walk } from '../../engine/walk.ts';
import { attentionOf, groupOf, highest, mean, randomLayer, sum, upTo } from '../by-hand.ts';

const [tokens, window, entries, kernel] = [48, 6, 18, 5];
const layer = randomLayer({ tokens });
const recent = upTo(window).map((i) => tokens - window + i);
const reduces = { sum, mean, max: (list: number[]) => Math.max(...list) };
const pools = {
  max: (shares: number[]) => Math.max(...shares),
  // What lies outside the prompt counts as 0.
  mean: (shares: number[]) => sum(shares) / kernel,
  none: (shares: number[]) => shares[(shares.length - 1) / 2]!,
};
type Reduce = keyof typeof reduces;
type Pool = keyof typeof pools;

for (const reduce of Object.keys(reduces) as Reduce[])
  for (const pool of Object.keys(pools) as Pool[])
    test(`votes by ${reduce}, pooled by ${pool}, choose what two plain loops choose`, async () => {
      const method = methods.snapKV({ entries, window, kernel, pool, reduce });
      const { kept } = await lab.apply(method, layer);
      layer.keys.forEach((_, h) => {
        const rows = groupOf(layer, h).flatMap((head) => attentionOf(layer, head).slice(-window));
        const votes = upTo(tokens - window).map((key) => reduces[reduce](rows.map((row) => row[key]!)));
        const pooled = votes.map((_, key) =>
          pools[pool](upTo(kernel).map((i) => votes[key + i - (kernel - 1) / 2] ?? 0)),
        );
        assert.deepEqual([...kept[h]!], [...highest(pooled, entries - window), ...recent]);
      });
    });

/** A layer whose window looks at one place, another in each head. */
function planted(places: readonly number[]) {
  const shy = randomLayer({ tokens, queryHeads: places.length, kvHeads: places.length, seed: 4 });
  places.forEach((place, h) => {
    const key = shy.keys[h]![place]!;
    for (const t of recent) shy.queries[h]![t] = key.map((v) => 4 * v);
  });
  return shy;
}

test('each head keeps the place that its own window looks at, and its neighbours for the sake of pooling', async () => {
  const places = [9, 20, 31];
  const { kept } = await lab.apply(methods.snapKV({ entries: window + kernel, window, kernel }), planted(places));
  places.forEach((place, h) => {
    assert.deepEqual([...kept[h]!], [...upTo(kernel).map((i) => place + i - 2), ...recent]);
  });
});

test('without pooling one entry beside the window is the place itself', async () => {
  const places = [9, 20, 31];
  const { kept } = await lab.apply(methods.snapKV({ entries: window + 1, window, pool: 'none' }), planted(places));
  places.forEach((place, h) => {
    assert.deepEqual([...kept[h]!], [place, ...recent]);
  });
});

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

test('it votes once: what is written afterwards stays whole', async () => {
  const counts: number[] = [];
  const { sequence } = await walk(model, methods.snapKV({ entries: 12, window: 4 }), {
    chunk: promptLength,
    onStep: ({ layers }) => counts.push(layers[1]!.tables[0]!.count),
  });
  assert.deepEqual(
    counts,
    upTo(counts.length).map((i) => 12 + i),
  );
  const kept = keptPositions(sequence.layers[1]!, 0);
  assert.deepEqual(
    [...kept.slice(12)],
    upTo(counts.length - 1).map((i) => promptLength + i),
  );
});

test('a prompt no longer than the budget keeps everything', async () => {
  const { kept } = await lab.apply(methods.snapKV({ entries: tokens, window }), layer);
  assert.ok(kept.every((positions) => positions.length === tokens));
});
