/** Key difference: keys that point where all keys point say little, so a key's score is how far it turns away from them.
 *
 *  Park et al. 2025, "KeyDiff", arXiv:2504.15364: minus the cosine to the mean of all keys of the head, each at length 1. */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { eachHead, lengthOf, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { held } from './columns.ts';

const atLength1 = (g: GraphBuilder, x: Value): Value => g.div(x, g.max(g.sqrt(g.reduceSumSquare(x, 'D', true)), 1e-12)); // [Hkv, T, D]

export const keyDiff = operator({
  name: 'key-diff',
  kind: 'score',
  scope: 'head',
  title: 'keys unlike the others',
  paper: 'arXiv:2504.15364',
  params: {},
  needs: () => [{ of: 'keys', rotated: true }],
  inputs: { keys: held },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(6, 'Hkv', 'T', 'D'),

  graph(g, { keys }) {
    const unit = atLength1(g, keys!);
    const anchor = atLength1(g, g.reduceMean(unit, 'T', true)); // [Hkv, 1, D]
    return { score: g.neg(g.reduceSum(g.mul(unit, anchor), 'D')) }; // [Hkv, T]
  },

  reference({ keys }) {
    const [Hkv, T] = keys!.dims as [number, number];
    const score = eachHead(Hkv, T, (h) => {
      const units = rowsOf(keys!, h).map(unit);
      const anchor = unit((units[0] ?? []).map((_, d) => sumOf(units.map((row) => row[d]!)) / T));
      return units.map((row) => -sumOf(row.map((v, d) => v * anchor[d]!)));
    });
    return { score };
  },

  example: {
    // Keys e1, e1, e2: the anchor is (2, 1) / 3, and e2 turns away from it most.
    inputs: { keys: [[[1, 0], [1, 0], [0, 1]]] }, // biome-ignore format: one row a key
    outputs: { score: [[-2 / Math.sqrt(5), -2 / Math.sqrt(5), -1 / Math.sqrt(5)]] },
  },
  tolerance: 2e-5,
});

function unit(x: readonly number[]): number[] {
  const length = Math.max(lengthOf(x), 1e-12);
  return x.map((v) => v / length);
}
