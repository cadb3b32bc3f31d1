/** Retain regression: from query, key and value, how strongly will any later query of the group look at a token?
 *
 *  Stands in for the trained heads of Locret (arXiv:2410.01805): labels are the largest products (before softmax) over group and
 *  later queries; ridge regression for each key head on the mean query of the group, key and value, before rotary. */
import { regression } from '../algebra/ridge.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { Capture, Fit } from './fit.ts';

export function retainRegression({ count = 2, tokens = 512, strength = 0.003, seed = 0 } = {}): Fit {
  const weights = { dtype: 'f32', dims: ['L', 'Hkv', 'D'] } as const;
  return {
    name: `retain-regression ${count} ${tokens} ${strength} ${seed}`,
    samples: 'prose',
    seed,
    count,
    tokens,
    needs: [{ of: 'products' }, { of: 'queries' }, { of: 'keys' }, { of: 'values' }],
    gives: { ofQuery: weights, ofKey: weights, ofValue: weights, bias: { dtype: 'f32', dims: ['L', 'Hkv'] } },
    start() {
      const layers: ReturnType<typeof regression>[][] = [];
      let D = 0;
      return {
        see(capture) {
          const { tensors, kvHeads, layer } = capture;
          D = tensors.keys!.dims[2]!;
          layers[layer] ??= Array.from({ length: kvHeads }, () => regression(3 * D, 1));
          layers[layer].forEach((sums, h) => {
            // The last token has no later query and teaches nothing.
            for (let t = 0; t + 1 < tensors.keys!.dims[1]!; t++)
              sums.add(features(capture, h, t), [strongest(capture, h, t)]);
          });
        },
        async give(pause) {
          const [L, H] = [layers.length, layers[0]?.length ?? 0];
          const parts = [0, 1, 2].map(() => tensor([L, H, D]));
          const bias = tensor([L, H]);
          for (const [l, heads] of layers.entries()) {
            await pause(l / L);
            for (const [h, sums] of heads.entries()) {
              const [found] = sums.solve(strength);
              parts.forEach((part, i) => {
                part.data.set(found!.weights.subarray(i * D, (i + 1) * D), (l * H + h) * D);
              });
              bias.set(found!.bias, l, h);
            }
          }
          const [ofQuery, ofKey, ofValue] = parts as [Tensor, Tensor, Tensor];
          return { ofQuery, ofKey, ofValue, bias };
        },
      };
    },
  };
}

/** Mean query of the group, key and value of a token, behind one another. */
function features({ tensors, kvHeads }: Capture, h: number, t: number): Float64Array {
  const { queries, keys, values } = tensors as Record<string, Tensor>;
  const [Hq, , D] = queries!.dims as [number, number, number];
  const G = Hq / kvHeads;
  const out = new Float64Array(3 * D);
  for (let d = 0; d < D; d++) {
    for (let m = 0; m < G; m++) out[d]! += queries!.get(h * G + m, t, d) / G;
    out[D + d] = keys!.get(h, t, d);
    out[2 * D + d] = values!.get(h, t, d);
  }
  return out;
}

/** The largest product of a later query of the group with the key of a token. */
function strongest({ tensors, kvHeads }: Capture, h: number, t: number): number {
  const products = tensors.products!;
  const [Hq, T] = products.dims as [number, number];
  let most = Number.NEGATIVE_INFINITY;
  for (let head = (h * Hq) / kvHeads; head < ((h + 1) * Hq) / kvHeads; head++)
    for (let q = t + 1; q < T; q++) most = Math.max(most, products.get(head, q, t));
  return most;
}
