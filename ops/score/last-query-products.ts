/** Last query products: how the last query of the prompt scores every token, summed over all heads of a layer.
 *
 *  Shi et al. 2024, "GemFilter", arXiv:2409.17422: not scaled, no softmax, smoothed over neighbours, one score for a token. */
import { perElement } from '../cost.ts';
import { pool1d } from '../graph/composites.ts';
import { pooled, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { tensor } from '../tensor.ts';
import { lastQueries, lookBack } from './columns.ts';

export const lastQueryProducts = operator({
  name: 'last-query-products',
  kind: 'score',
  scope: 'layer',
  title: ({ pool }) => `products of the last query, mean over ${pool}`,
  paper: 'arXiv:2409.17422',
  params: { pool: count({ default: 5, min: 1, unit: 'tokens', note: 'width of the smoothing; odd' }) },
  needs: () => lastQueries(1),
  inputs: lookBack,
  outputs: { score: f32([1, 'T']) },
  cost: perElement(6, 'Hkv', 'T', 'D'),

  graph(g, { queries, keys }, { pool }) {
    const last = g.reshape(g.slice(queries!, 'Q', -1, 2 ** 31, 1), ['Hkv', 'G', 'D']); // [Hkv, G, D]
    const products = g.matMul(g.reduceSum(last, 'G', true), g.transpose(keys!, [0, 2, 1])); // [Hkv, 1, T]
    return { score: pool1d(g, g.reduceSum(products, 'Hkv'), 'mean', pool) }; // [1, T]
  },

  reference({ queries, keys }, { pool }) {
    const [Hq, Q] = queries!.dims as [number, number];
    const [Hkv, T] = keys!.dims as [number, number];
    const sums = new Float64Array(T);
    for (let h = 0; h < Hq; h++) {
      const query = rowsOf(queries!, h)[Q - 1]!;
      const keysOfHead = rowsOf(keys!, Math.floor((h * Hkv) / Hq));
      for (const [t, key] of keysOfHead.entries()) sums[t]! += sumOf(key.map((v, d) => v * query[d]!));
    }
    return { score: pooled(tensor([1, T], sums), 'mean', pool) };
  },

  example: {
    inputs: { queries: [[[9, 9], [1, 2]]], keys: [[[1, 0], [0, 1], [1, 1]]] }, // biome-ignore format: one row a token
    params: { pool: 1 },
    outputs: { score: [[1, 2, 3]] },
  },
});
