/** Key bound: the largest product that any key of a page may have with the query, from the bounds of its channels.
 *
 *  Tang et al. 2024, "Quest", arXiv:2406.10774, section 3.2: each channel counts with its upper bound where the query is
 *  positive and with its lower one where it is negative. Departures: with grouped queries one score for each key head. */
import { perElement } from '../cost.ts';
import { eachHead, reduced } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { choice } from '../params.ts';

export const keyBound = operator({
  name: 'key-bound',
  kind: 'fetch',
  scope: 'head',
  title: 'upper bound of the product',
  paper: 'arXiv:2406.10774',
  departures: ['grouped queries: the largest bound of the group (the paper has one query head for each key head)'],
  params: { group: choice(['max', 'mean', 'sum'], 'max', 'how the query heads of a group become one score') },
  needs: () => [{ of: 'queries' }],
  inputs: {
    queries: f32(['Hq', 'Q', 'D'], { pad: 0 }),
    low: f32(['Hkv', 'N', 'D'], { pad: 0 }),
    high: f32(['Hkv', 'N', 'D'], { pad: 0 }),
  },
  outputs: { score: f32(['Hkv', 'N']) },
  cost: perElement(4, 'Hq', 'Q', 'N', 'D'),

  graph(g, { queries, low, high }, { group }) {
    const four = (x: typeof low) => g.transpose(g.unsqueeze(x!, 1), [0, 1, 3, 2]); // [Hkv, 1, D, N]
    const q = g.reshape(queries!, ['Hkv', 'G', 'Q', 'D']);
    const above = g.matMul(g.max(q, 0), four(high)); // [Hkv, G, Q, N]
    const bounds = g.reduceMax(g.add(above, g.matMul(g.min(q, 0), four(low))), 'Q'); // [Hkv, G, N]
    return { score: { max: g.reduceMax, mean: g.reduceMean, sum: g.reduceSum }[group](bounds, 'G') };
  },

  reference({ queries, low, high }, { group }) {
    const [Hq, Q, D] = queries!.dims as [number, number, number];
    const [Hkv, N] = low!.dims as [number, number];
    const G = Hq / Hkv;
    const bound = (head: number, q: number, n: number): number => {
      const kv = Math.floor(head / G);
      let sum = 0;
      for (let d = 0; d < D; d++) {
        const x = queries!.get(head, q, d);
        sum += x * (x > 0 ? high! : low!).get(kv, n, d);
      }
      return sum;
    };
    const largest = (head: number, n: number) =>
      reduced(
        Array.from({ length: Q }, (_, q) => bound(head, q, n)),
        'max',
      );
    const ofGroup = (h: number, n: number) => Array.from({ length: G }, (_, member) => largest(h * G + member, n));
    return { score: eachHead(Hkv, N, (h) => Array.from({ length: N }, (_, n) => reduced(ofGroup(h, n), group))) };
  },

  example: {
    // The page of keys (1, -2) and (-1, 3): 2 * 1 + 1 * 3, which neither of its products 0 and 1 exceeds.
    inputs: { queries: [[[2, 1]]], low: [[[-1, -2]]], high: [[[1, 3]]] },
    sizes: { Hq: 1, Hkv: 1, G: 1 },
    outputs: { score: [[5]] },
  },
});
