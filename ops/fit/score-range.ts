/** Score range: the constant of each head around which the largest logits of its queries lie.
 *
 *  Hong et al. 2023, "FlashDecoding++", arXiv:2311.01282, section 3: phi is chosen for a model from its statistics. phi lies in
 *  the middle between two quantiles of the largest logit of each query. */
import { tensor } from '../tensor.ts';
import type { Fit } from './fit.ts';

export function scoreRange({ quantile = 0.999, count = 1, tokens = 512, seed = 0 } = {}): Fit {
  const number = { dtype: 'f32', dims: ['L', 'Hq'] } as const;
  return {
    name: `score-range ${quantile} ${count} ${tokens} ${seed}`,
    samples: 'prose',
    seed,
    count,
    tokens,
    needs: [{ of: 'products' }],
    gives: { phi: number, low: number, high: number },
    start() {
      const largest: number[][][] = [];
      return {
        see({ layer, tensors: { products } }) {
          const [Hq, T] = products!.dims as [number, number];
          const heads = (largest[layer] ??= Array.from({ length: Hq }, () => []));
          for (let h = 0; h < Hq; h++)
            for (let q = 0; q < T; q++)
              heads[h]!.push(
                products!.data.subarray((h * T + q) * T, (h * T + q) * T + q + 1).reduce((a, b) => Math.max(a, b)),
              );
        },
        give: async () => {
          const dims = [largest.length, largest[0]?.length ?? 0];
          const ends = largest.flat().map((tops) => {
            const sorted = tops.toSorted((a, b) => a - b);
            const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
            return [at(1 - quantile), at(quantile)] as const;
          });
          return {
            phi: tensor(dims, ends.map(([low, high]) => (low + high) / 2)), // biome-ignore format: one line
            low: tensor(dims, ends.map(([low]) => low)), // biome-ignore format: one line
            high: tensor(dims, ends.map(([, high]) => high)), // biome-ignore format: one line
          };
        },
      };
    },
  };
}
