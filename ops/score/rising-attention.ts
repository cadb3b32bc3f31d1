/** Rising attention: how much the last queries of the prompt look at a token, the later ones counting more.
 *
 *  Galim et al. 2025, "Draft-based approximate inference" (SpecPC), arXiv:2506.08373: the rows of the last queries with weights
 *  that rise from 0 to 1, the largest over queries and heads, then the largest among neighbours; one score for a token. */
import { perElement } from '../cost.ts';
import { pool1d } from '../graph/composites.ts';
import { pooled, rowsOf, softmaxOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { tensor } from '../tensor.ts';
import { lastQueries, lookBack } from './columns.ts';

export const risingAttention = operator({
  name: 'rising-attention',
  kind: 'score',
  scope: 'layer',
  title: ({ window, pool }) => `attention of the last ${window} with rising weight, max over ${pool}`,
  paper: 'arXiv:2506.08373',
  params: {
    window: count({ default: 64, min: 1, unit: 'queries', note: 'last queries of the prompt' }),
    pool: count({ default: 32, min: 1, unit: 'tokens', note: 'neighbours that share the largest score' }),
  },
  needs: ({ window }) => lastQueries(window),
  inputs: lookBack,
  outputs: { score: f32([1, 'T']) },
  cost: perElement(6, 'Hq', 'Q', 'T'),

  graph(g, { queries, keys }, { pool }) {
    const counted = (x: typeof keys, axis: string) => g.cumSum(g.add(g.mul(g.reduceSum(x!, 'D'), 0), 1), axis);
    const key = g.unsqueeze(g.unsqueeze(counted(keys, 'T'), 1), 1); // [Hkv, 1, 1, T], from 1
    const query = g.reshape(counted(queries, 'Q'), ['Hkv', 'G', 'Q', 1]); // [Hkv, G, Q, 1], from 1
    const [tokens, rows] = [g.reduceMax(key, 'T', true), g.reduceMax(query, 'Q', true)]; // [Hkv, 1 or G, 1, 1]
    const grouped = g.reshape(queries!, ['Hkv', 'G', 'Q', 'D']);
    const columns = g.unsqueeze(g.transpose(keys!, [0, 2, 1]), 1); // [Hkv, 1, D, T]
    const products = g.div(g.matMul(grouped, columns), Math.sqrt(g.sizes.D!)); // [Hkv, G, Q, T]
    const later = g.greater(key, g.add(g.sub(tokens, rows), query)); // [Hkv, G, Q, T]
    const rising = g.div(g.sub(query, 1), g.max(g.sub(rows, 1), 1)); // [Hkv, G, Q, 1]
    const weighted = g.mul(g.softmax(g.where(later, -1e30, products), 'T'), rising); // [Hkv, G, Q, T]
    const best = g.reduceMax(g.reduceMax(g.reduceMax(weighted, 'Q'), 'G'), 'Hkv', true); // [1, T]
    return { score: pool1d(g, best, 'max', pool) };
  },

  reference({ queries, keys }, { pool }) {
    const [Hq, Q, D] = queries!.dims as [number, number, number];
    const [Hkv, T] = keys!.dims as [number, number];
    const best = new Float64Array(T);
    for (let h = 0; h < Hq; h++) {
      const ofHead = rowsOf(keys!, Math.floor((h * Hkv) / Hq));
      rowsOf(queries!, h).forEach((query, q) => {
        const product = (key: number[]) => sumOf(key.map((v, d) => v * query[d]!)) / Math.sqrt(D);
        const row = softmaxOf(ofHead.map((key, t) => (t > T - Q + q ? -1e30 : product(key))));
        row.forEach((share, t) => {
          best[t] = Math.max(best[t]!, (share * q) / Math.max(1, Q - 1));
        });
      });
    }
    return { score: pooled(tensor([1, T], best), 'max', pool) };
  },

  example: {
    // The first of two queries counts nothing; the second gives e / (e + 2) to the key like it and 1 / (e + 2) to the others.
    inputs: { queries: [[[9], [1]]], keys: [[[0], [1], [0]]] },
    params: { pool: 1 },
    outputs: { score: [[0.211942, 0.576117, 0.211942]] },
  },
});
