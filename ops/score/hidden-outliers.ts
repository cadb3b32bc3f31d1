/** Hidden outliers: tokens whose hidden state holds the largest numbers; attention sinks have massive ones.
 *
 *  Su et al. 2025, "RotateKV", arXiv:2501.16383, section 3.3. Departure: the largest number of each token decides, so that as
 *  many tokens are found as asked for (the authors take the largest numbers, many of which lie in one token). */
import { perElement } from '../cost.ts';
import { f32, operator } from '../operator.ts';
import { tensor } from '../tensor.ts';

export const hiddenOutliers = operator({
  name: 'hidden-outliers',
  kind: 'score',
  scope: 'layer',
  title: 'largest hidden number',
  paper: 'arXiv:2501.16383',
  departures: ['the largest number of each token'],
  params: {},
  needs: () => [{ of: 'hidden' }],
  inputs: { hidden: f32(['Q', 'X']) },
  outputs: { score: f32(['Hkv', 'Q']) },
  cost: perElement(1, 'Q', 'X'),

  graph(g, { hidden }) {
    const largest = g.unsqueeze(g.reduceMax(g.abs(hidden!), 'X'), 0); // [1, Q]
    const H = g.sizes.Hkv!;
    return { score: g.mul(largest, g.constant('f32', new Array<number>(H).fill(1), [H, 1])) }; // [Hkv, Q]
  },

  reference({ hidden }, _, { sizes }) {
    const [Q, X] = hidden!.dims as [number, number];
    const score = tensor([sizes.Hkv!, Q]);
    for (let q = 0; q < Q; q++) {
      const largest = Math.max(...hidden!.data.subarray(q * X, (q + 1) * X).map(Math.abs));
      for (let h = 0; h < sizes.Hkv!; h++) score.set(largest, h, q);
    }
    return { score };
  },

  example: {
    inputs: { hidden: [[1, -5], [2, 0]] }, // biome-ignore format: one row a token
    sizes: { Hkv: 1 },
    outputs: { score: [[5, 2]] },
  },
});
