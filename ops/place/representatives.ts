/** Representatives: the entries of a page with the highest scores stand for it; their mean key is compared with the query.
 *
 *  Xiao et al. 2024, "InfLLM", arXiv:2402.04617, section 3.2: a block is worth the sum of the products of the query with its
 *  representative keys, which orders blocks as the product with their mean does. A page of fewer entries has fewer. */
import { perElement } from '../cost.ts';
import { eachHead, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { held } from '../score/columns.ts';

export const representatives = operator({
  name: 'representatives',
  kind: 'place',
  scope: 'head',
  title: ({ of }) => `mean key of ${of} representatives`,
  paper: 'arXiv:2402.04617',
  params: { of: count({ default: 4, min: 1, unit: 'entries', note: 'entries that stand for a page' }) },
  needs: () => [{ of: 'keys' }],
  inputs: { keys: held, score: f32(['Hkv', 'T'], { pad: 0 }) },
  outputs: { key: f32(['Hkv', 'D']) },
  cost: perElement(2, 'Hkv', 'T', 'D'),

  graph(g, { keys, score }, { of }) {
    const T = g.slice(g.shape(score!), 0, 1, 2, 1); // i64 [1]
    const { values, indices } = g.topK(score!, g.min(T, g.constant('i64', [of], [1])), 'T', 'R'); // [Hkv, R]
    const chosen = g.scatterElements(g.mul(score!, 0), indices, g.add(g.mul(values, 0), 1), 'T'); // [Hkv, T]
    const share = g.div(chosen, g.reduceSum(chosen, 'T', true)); // [Hkv, T]
    return { key: g.squeeze(g.matMul(g.unsqueeze(share, 1), keys!), 1) }; // [Hkv, D]
  },

  reference({ keys, score }, { of }) {
    const [Hkv, T, D] = keys!.dims as [number, number, number];
    const mean = (h: number) => {
      const order = Array.from({ length: T }, (_, t) => t).sort((a, b) => score!.get(h, b) - score!.get(h, a) || a - b);
      const rows = rowsOf(keys!, h);
      const chosen = order.slice(0, of).map((t) => rows[t]!);
      return Array.from({ length: D }, (_, d) => sumOf(chosen.map((row) => row[d]!)) / chosen.length);
    };
    return { key: eachHead(Hkv, D, mean) };
  },

  example: {
    inputs: { keys: [[[1, 0], [0, 4], [3, 2]]], score: [[0.5, 0.1, 0.4]] }, // biome-ignore format: one row a key
    params: { of: 2 },
    outputs: { key: [[2, 1]] },
  },
});
