/** Key product: a page is worth the product of the query with the key that stands for it.
 *
 *  Xiao et al. 2024, "InfLLM", arXiv:2402.04617, section 3.2: the heads of a layer are taken together and choose the same. */
import { perElement } from '../cost.ts';
import { eachHead, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { choice } from '../params.ts';

export const keyDot = operator({
  name: 'key-dot',
  kind: 'fetch',
  scope: 'layer',
  title: ({ heads }) => `product with the key of the page${heads === 'together' ? ', heads together' : ''}`,
  paper: 'arXiv:2402.04617',
  params: { heads: choice(['each', 'together'], 'each', 'a score for each key head, or their sum for all of them') },
  inputs: { query: f32(['Hkv', 'D'], { pad: 0 }), key: f32(['Hkv', 'N', 'D'], { pad: 0 }) },
  outputs: { score: f32(['Hkv', 'N']) },
  cost: perElement(2, 'Hkv', 'N', 'D'),

  graph(g, { query, key }, { heads }) {
    const own = g.squeeze(g.matMul(g.unsqueeze(query!, 1), g.transpose(key!, [0, 2, 1])), 1); // [Hkv, N]
    return { score: heads === 'each' ? own : g.add(g.mul(own, 0), g.reduceSum(own, 'Hkv', true)) };
  },

  reference({ query, key }, { heads }) {
    const [Hkv, N, D] = key!.dims as [number, number, number];
    const product = (h: number, n: number) =>
      sumOf(Array.from({ length: D }, (_, d) => query!.get(h, d) * key!.get(h, n, d)));
    const all = Array.from({ length: Hkv }, (_, h) => h);
    const score = (h: number, n: number) =>
      heads === 'each' ? product(h, n) : sumOf(all.map((other) => product(other, n)));
    return { score: eachHead(Hkv, N, (h) => Array.from({ length: N }, (_, n) => score(h, n))) };
  },

  example: {
    inputs: { query: [[1, 2], [1, 0]], key: [[[3, 0], [0, 1]], [[5, 5], [0, 1]]] }, // biome-ignore format: one list a head
    params: { heads: 'together' },
    outputs: { score: [[8, 2], [8, 2]] }, // biome-ignore format: one row a head
  },
});
