/** Channel order: which channels of keys belong into one group, so that large ones do not widen the groups of small ones.
 *
 *  `strength` sorts the channels of each head by the energy of their rotary pair (Trukhanov and Soloveychik 2024,
 *  arXiv:2403.20137; departure: of keys on sample text, not of the weights that make them). `rotated sum` sorts the channels of
 *  all heads by the sum of the rotated keys (Su et al. 2025, "RotateKV", arXiv:2501.16383). */
import { mixing } from '../encode/hadamard.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { Fit } from './fit.ts';

export type OrderBy = 'strength' | 'rotated sum';

export function channelOrder(by: OrderBy, { count = 1, tokens = 512, seed = 0 } = {}): Fit {
  const order = { dtype: 'f32', dims: ['L', 'Hkv', 'D'] } as const;
  return {
    name: `channel-order ${by} ${count} ${tokens} ${seed}`,
    samples: 'prose',
    seed,
    count,
    tokens,
    needs: [{ of: 'keys' }],
    gives: { order, place: order },
    start() {
      const sums: Tensor[] = [];
      return {
        see({ layer, tensors: { keys } }) {
          const [H, T, D] = keys!.dims as [number, number, number];
          const sum = (sums[layer] ??= tensor([H, D]));
          for (let h = 0; h < H; h++)
            for (let t = 0; t < T; t++)
              for (let d = 0; d < D; d++) {
                const v = keys!.get(h, t, d);
                // Rotation mixes the two channels of a pair; their energy together stays.
                if (by === 'strength') for (const side of [d, d ^ 1]) sum.add(v * v, h, side);
                else sum.add(v, h, d);
              }
        },
        give: async () => {
          const orders = sums.map((sum) => (by === 'strength' ? withinHeads(sum) : acrossHeads(rotated(sum))));
          const [H, D] = sums[0]!.dims as [number, number];
          const dims = [sums.length, H, D];
          const places = orders.map((channels) => {
            const place = new Array<number>(channels.length);
            for (const [at, channel] of channels.entries()) place[channel] = at;
            return place;
          });
          return { order: tensor(dims, orders.flat()), place: tensor(dims, places.flat()) };
        },
      };
    },
  };
}

/** Channels from the smallest to the largest, those of each head among themselves; counted over all heads. */
function withinHeads({ dims, data }: Tensor): number[] {
  const [H, D] = dims as [number, number];
  return Array.from({ length: H }, (_, h) =>
    Array.from({ length: D }, (_, d) => h * D + d).sort((a, b) => data[a]! - data[b]! || a - b),
  ).flat();
}

const acrossHeads = ({ data }: Tensor): number[] =>
  Array.from(data, (_, channel) => channel).sort((a, b) => data[a]! - data[b]! || a - b);

/** The sum of rotated keys, which is the rotated sum of keys. */
function rotated(sum: Tensor): Tensor {
  const [H, D] = sum.dims as [number, number];
  const out = tensor([H, D]);
  for (let h = 0; h < H; h++)
    for (let d = 0; d < D; d++)
      for (let g = 0; g < H; g++)
        for (let e = 0; e < D; e++)
          out.add((H === 1 ? Number(g === h) : mixing(H, g, h)) * mixing(D, e, d) * sum.get(g, e), h, d);
  return out;
}
