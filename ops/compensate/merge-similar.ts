/** Merge similar: what leaves is mixed into the kept entry whose key is most like its own, if it is like enough.
 *
 *  Wan et al. 2024, "D2O", arXiv:2406.13035, section 4.3: cosine of keys; the threshold starts as the mean of the best cosines
 *  and follows it by a moving mean; a kept row becomes the mean of itself and of what it takes in, each times its cosine. The
 *  weights are not normalised, so mixed rows are a little shorter. What is not like enough is lost. */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { lengthOf, rowsOf, sumOf } from '../loops.ts';
import { type Bound, f32, operator } from '../operator.ts';
import { number } from '../params.ts';
import { tensor } from '../tensor.ts';

/** A threshold that has not been set: no cosine is below -1. */
const unset = -2;
const rows = (letter: 'T' | 'N') => f32(['Hkv', letter, 'D'], { pad: 0 });

const unit = (g: GraphBuilder, x: Value): Value => g.div(x, g.max(g.sqrt(g.reduceSum(g.mul(x, x), 2, true)), 1e-20));

export const mergeSimilarOperator = operator({
  name: 'merge-similar',
  kind: 'compensate',
  scope: 'head',
  title: ({ smooth }) => `into the most similar, above a moving mean (${smooth})`,
  paper: 'arXiv:2406.13035',
  params: { smooth: number({ default: 0.5, min: 0, max: 1, note: 'what is left of the old threshold' }) },
  needs: () => [{ of: 'keys', rotated: true }, { of: 'values' }],
  inputs: { keys: rows('T'), values: rows('T'), leavingKeys: rows('N'), leavingValues: rows('N') },
  state: { threshold: f32(['Hkv'], { values: 'shares', start: unset }) },
  outputs: { mergedKeys: rows('T'), mergedValues: rows('T'), into: f32(['Hkv', 'N']), share: f32(['Hkv', 'N']) },
  cost: perElement(4, 'Hkv', 'N', 'T', 'D'),
  nearTies: 0.02,

  graph(g, { keys, values, leavingKeys, leavingValues, threshold: before }, { smooth }) {
    const alike = g.matMul(unit(g, leavingKeys!), g.transpose(unit(g, keys!), [0, 2, 1])); // [Hkv, N, T]
    const best = g.reduceMax(alike, 2); // [Hkv, N]
    const place = g.argMax(alike, 2);
    const mean = g.reduceMean(best, 1); // [Hkv]
    const moved = g.add(g.mul(before!, smooth), g.mul(mean, 1 - smooth));
    const threshold = g.where(g.less(before!, -1), mean, moved);
    const joins = g.not(g.less(best, g.unsqueeze(threshold, 1)));
    const among = (weight: Value) =>
      g.scatterElements(g.mul(alike, 0), g.unsqueeze(place, 2), g.unsqueeze(weight, 2), 2); // [Hkv, N, T]
    const one = g.cast(joins, 'f32');
    const shares = g.transpose(among(g.mul(one, best)), [0, 2, 1]); // [Hkv, T, N]
    const all = g.unsqueeze(g.add(g.reduceSum(among(one), 1), 1), 2); // [Hkv, T, 1]
    const mixed = (kept: Value, gone: Value) => g.div(g.add(kept, g.matMul(shares, gone)), all);
    return {
      mergedKeys: mixed(keys!, leavingKeys!),
      mergedValues: mixed(values!, leavingValues!),
      into: g.where(joins, g.cast(place, 'f32'), -1),
      share: g.reduceSum(g.div(shares, all), 1),
      threshold,
    };
  },

  reference({ keys, values, leavingKeys, leavingValues, threshold: before }, { smooth }) {
    const [H, T, D] = keys!.dims as [number, number, number];
    const N = leavingKeys!.dims[1]!;
    const [threshold, into, share] = [tensor([H]), tensor([H, N]), tensor([H, N])];
    const mixed = { keys: tensor([H, T, D], keys!.data), values: tensor([H, T, D], values!.data) };
    for (let h = 0; h < H; h++) {
      const kept = rowsOf(keys!, h);
      const best = rowsOf(leavingKeys!, h).map((row) => {
        const cosines = kept.map((k) => sumOf(k.map((v, d) => v * row[d]!)) / (lengthOf(k) * lengthOf(row) || 1));
        const cosine = Math.max(...cosines);
        return { cosine, at: cosines.indexOf(cosine) };
      });
      const mean = sumOf(best.map(({ cosine }) => cosine)) / N;
      const old = before!.get(h);
      threshold.set(old < -1 ? mean : smooth * old + (1 - smooth) * mean, h);
      const joins = best.map(({ cosine }) => Math.fround(cosine) >= Math.fround(threshold.get(h)));
      for (const [n, { at }] of best.entries()) into.set(joins[n] ? at : -1, h, n);
      for (const [part, gone] of [[mixed.keys, leavingKeys!], [mixed.values, leavingValues!]] as const) // biome-ignore format: one line
        for (let t = 0; t < T; t++) {
          const own = best.flatMap(({ cosine, at }, n) => (joins[n] && at === t ? [{ cosine, n }] : []));
          for (const { cosine, n } of own) share.set(cosine / (1 + own.length), h, n);
          for (let d = 0; d < D; d++) {
            const taken = sumOf(own.map(({ cosine, n }) => cosine * gone.get(h, n, d)));
            part.set((part.get(h, t, d) + taken) / (1 + own.length), h, t, d);
          }
        }
    }
    return { mergedKeys: mixed.keys, mergedValues: mixed.values, into, share, threshold };
  },

  example: {
    // Cosines 1 and 0; their mean 0.5 is the threshold, so the first joins key (2, 0) and the second is lost.
    inputs: {
      keys: [[[2, 0], [-1, 0]]], // biome-ignore format: one line
      values: [[[1, 1], [5, 5]]], // biome-ignore format: one line
      leavingKeys: [[[4, 0], [0, 3]]], // biome-ignore format: one line
      leavingValues: [[[3, 5], [9, 9]]], // biome-ignore format: one line
      threshold: [unset],
    },
    outputs: {
      mergedKeys: [[[3, 0], [-1, 0]]], // biome-ignore format: one line
      mergedValues: [[[2, 3], [5, 5]]], // biome-ignore format: one line
      into: [[0, -1]],
      share: [[0.5, 0]],
      threshold: [0.5],
    },
  },
});

/** A compensation that changes rows that stay; it gives `mergedKeys`, `mergedValues`, `into`, an index of a kept row or -1, and
 *  `share`, the factor of what left in the mixed row. */
export interface Merging extends Bound {
  readonly merges: true;
}
export const mergeSimilar = (given: { smooth?: number } = {}): Merging => ({
  ...mergeSimilarOperator(given),
  merges: true,
});
