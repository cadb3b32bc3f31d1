/** Works when: layers hold by the variance of their attention, and what leaves is merged into the most similar kept entry above a
 *  threshold that follows by a moving mean. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { byAttentionVariance, layerShares, methods } from '@kvlab/ops';
import { ops } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { CacheEvent } from '../../../kernel/src/engine/keep/observer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { seeded } from '../../engine/seeded.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { walk } from '../../engine/walk.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const request = {
  layers: 4,
  kvHeads: 2,
  promptLength: 100,
  bytesPerEntry: 512,
  zones: ['heavy', 'recent'],
  reserved: 4,
};
/** Scores whose variance grows from layer to layer. */
const scores = (layer: number) => Float32Array.from({ length: 50 }, (_, i) => (i % 2 ? 1 : -1) * (layer + 1));

test('a layer whose attention is spread holds more than one where few entries receive most of it', () => {
  const shares = layerShares({ ...request, scores });
  for (let l = 1; l < 4; l++) assert.ok(shares[l]! < shares[l - 1]!);
  assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 4) < 1e-9, 'shares are spread around 1');
  // Variances 1, 4, 9, 16 become 0, 0.2, 0.533, 1; softmax of their negatives.
  const weights = [0, 0.2, 8 / 15, 1].map((v) => Math.exp(-v));
  const sum = weights.reduce((a, b) => a + b);
  weights.forEach((w, l) => {
    assert.ok(Math.abs(shares[l]! - (4 * w) / sum) < 1e-9);
  });
});

test('the first two layers and the last hold everything, none less than a hundredth', () => {
  const amounts = byAttentionVariance({ heavy: 0.1, recent: 0.1 }, [0, 1, -1]).allocate({ ...request, scores });
  const heavy = Array.from(amounts.get('heavy')!);
  for (const head of [0, 1, 2, 3, 6, 7]) assert.equal(heavy[head], Number.POSITIVE_INFINITY);
  assert.ok(heavy[4]! >= 1 && heavy[4]! < 10);
  const uneven = (l: number) => Float32Array.from({ length: 50 }, (_, i) => (i % 2 ? 1 : -1) * (l === 2 ? 1e4 : 1));
  const least = byAttentionVariance({ heavy: 0.02, recent: 0.02 }, []).allocate({ ...request, scores: uneven });
  assert.ok(Array.from(least.get('heavy')!).every((n) => n >= 1));
});

test('the threshold starts as the mean of the best cosines and follows by halves; what is below it is lost', async () => {
  const keys = [[[1, 0], [0, 1]]]; // biome-ignore format: one row an entry
  const leavingKeys = [[[2, 0], [1, 1]]]; // biome-ignore format: one row an entry
  const first = await ops.mergeSimilar({ keys, values: keys, leavingKeys, leavingValues: leavingKeys });
  const mean = (1 + Math.SQRT1_2) / 2;
  assert.ok(Math.abs(first.threshold.data[0]! - mean) < 1e-6);
  assert.deepEqual([...first.into.data], [0, -1]);
  const again = await ops.mergeSimilar({
    keys,
    values: keys,
    leavingKeys,
    leavingValues: leavingKeys,
    threshold: [0.2],
  });
  assert.ok(Math.abs(again.threshold.data[0]! - (0.1 + mean / 2)) < 1e-6);
  assert.deepEqual([...again.into.data], [0, 0]);
});

test('rows that take in others are the mean of themselves and of what they took in, each times its cosine', async () => {
  const { row } = seeded(5);
  const rows = (n: number) => Array.from({ length: n }, () => [...row(8)]);
  const [keys, values, leavingKeys, leavingValues] = [rows(3), rows(3), rows(6), rows(6)];
  const found = await ops.mergeSimilar({
    keys: [keys],
    values: [values],
    leavingKeys: [leavingKeys],
    leavingValues: [leavingValues],
  });
  const length = (x: number[]) => Math.hypot(...x);
  const cosine = (a: number[], b: number[]) => a.reduce((sum, v, d) => sum + v * b[d]!, 0) / length(a) / length(b);
  keys.forEach((key, t) => {
    const own = [...found.into.data].flatMap((to, n) => (to === t ? [n] : []));
    for (const n of own)
      assert.ok(Math.abs(found.share.data[n]! - cosine(key, leavingKeys[n]!) / (1 + own.length)) < 1e-5);
    for (let d = 0; d < 8; d++) {
      const mixed = (of: number[][], from: number[][]) =>
        (of[t]![d]! + own.reduce((sum, n) => sum + cosine(key, leavingKeys[n]!) * from[n]![d]!, 0)) / (1 + own.length);
      assert.ok(Math.abs(found.mergedKeys.data[t * 8 + d]! - mixed(keys, leavingKeys)) < 1e-5);
      assert.ok(Math.abs(found.mergedValues.data[t * 8 + d]! - mixed(values, leavingValues)) < 1e-5);
    }
  });
});

test('in a run some entries are merged into entries that stay, and others are lost', async () => {
  const events: CacheEvent[] = [];
  const method = methods.d2o({ keep: 0.3, untouched: [] });
  const { sequence } = await walk(model, method, {
    prompt: 96,
    steps: 20,
    observer: (own) => ({
      written() {},
      layer() {},
      event(e) {
        if (e.kind === 'merge') {
          const held = own.layers[e.layer]!.tables[e.kvHead]!;
          assert.ok(held.position.subarray(0, held.count).includes(e.into), `${e.position} went into ${e.into}`);
          assert.notEqual(e.into, e.position);
        }
        events.push(e);
      },
    }),
  });
  const count = (kind: string) => events.filter((e) => e.kind === kind).length;
  assert.ok(count('merge') > 20 && count('leave') > 20, `${count('merge')} merged, ${count('leave')} lost`);
  for (const layer of sequence.layers)
    layer.tables.forEach((_, h) => {
      assert.ok(
        [0, 1, 2, 3].every((sink) => keptPositions(layer, h).includes(sink)),
        'sinks stay',
      );
    });
});

test('where what leaves is like what stays, mixing is nearer to full attention than dropping, on average', async () => {
  let [mixed, dropped] = [0, 0];
  for (let seed = 0; seed < 40; seed++) {
    const { row } = seeded(seed);
    const draw = (n: number, scale = 1) => Array.from({ length: n }, () => [...row(16)].map((v) => scale * v));
    const [keys, values, leavingValues, queries] = [draw(8, 2), draw(8), draw(8), draw(4)];
    const leavingKeys = keys.map((key) => [...row(16)].map((noise, d) => key[d]! + 0.2 * noise));
    const found = await ops.mergeSimilar({ keys: [keys], values: [values], leavingKeys: [leavingKeys], leavingValues: [leavingValues] }); // biome-ignore format: one line
    const rows = (data: ArrayLike<number>) => keys.map((_, t) => Array.from(data).slice(t * 16, (t + 1) * 16));
    for (const query of queries) {
      const full = read(query, [...keys, ...leavingKeys], [...values, ...leavingValues]);
      const away = (k: number[][], v: number[][]) => Math.hypot(...read(query, k, v).map((x, d) => x - full[d]!));
      mixed += away(rows(found.mergedKeys.data as Float32Array), rows(found.mergedValues.data as Float32Array));
      dropped += away(keys, values);
    }
  }
  assert.ok(mixed < 0.8 * dropped, `${mixed / 160} mixed, ${dropped / 160} dropped`);
});

/** What a query reads by softmax attention. */
function read(query: number[], keys: number[][], values: number[][]): number[] {
  const weights = keys.map((key) => Math.exp(key.reduce((sum, v, d) => sum + v * query[d]!, 0) / 4));
  const all = weights.reduce((a, b) => a + b);
  return query.map((_, d) => weights.reduce((sum, w, t) => sum + (w / all) * values[t]![d]!, 0));
}
