/** Balance: each key channel is scaled so that queries and keys are equally large there; queries make up for it.
 *
 *  b = sqrt(max|q| / max|k|) for each head and channel, learnt once from the prompt; b is 1 where either is zero.
 *  Yang et al. 2024, "No Token Left Behind" (MiKV), arXiv:2402.18096, section 4. Departure: the inverse scale is applied to
 *  the keys as they are read, which gives the same products as applying it to the queries. */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { eachHead, eachNumber, rowsOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import type { Transform } from './encoding.ts';

/** Largest magnitude of each channel of x [H, T, D]: [H, D]. */
export const channelPeaks = (g: GraphBuilder, x: Value): Value => g.reduceMax(g.abs(x), 1);

/** scale [H, D] spread over the entries of [H, T, D]. */
export const overEntries = (g: GraphBuilder, scale: Value): Value => g.unsqueeze(scale, 1);

function learnt(g: GraphBuilder, keys: Value, queryPeaks: Value): Value {
  const keyPeaks = channelPeaks(g, keys);
  const silent = g.equal(g.min(keyPeaks, queryPeaks), 0);
  return g.where(silent, 1, g.sqrt(g.div(queryPeaks, g.where(silent, 1, keyPeaks)))); // [H, D]
}

export const balanceOperator = operator({
  name: 'balance',
  kind: 'encode',
  scope: 'head',
  title: 'balanced with queries',
  paper: 'arXiv:2402.18096',
  departures: ['the inverse scale is applied when keys are read'],
  params: {},
  needs: () => [{ of: 'queries', rotated: true }],
  inputs: {
    keys: f32(['Hkv', 'T', 'D']),
    // Largest |query| of each channel over the query heads of the group.
    queryPeaks: f32(['Hkv', 'D'], { values: 'shares' }),
  },
  outputs: { balanced: f32(['Hkv', 'T', 'D']), balance: f32(['Hkv', 'D']) },
  cost: perElement(3, 'Hkv', 'T', 'D'),

  graph(g, { keys, queryPeaks }) {
    const balance = learnt(g, keys!, queryPeaks!);
    return { balanced: g.mul(keys!, overEntries(g, balance)), balance };
  },

  reference({ keys, queryPeaks }) {
    const [H, , D] = keys!.dims as [number, number, number];
    const balance = eachHead(H, D, (h) => {
      const rows = rowsOf(keys!, h);
      return Array.from({ length: D }, (_, d) => {
        const peak = Math.max(...rows.map((row) => Math.abs(row[d]!)));
        const query = queryPeaks!.get(h, d);
        return Math.min(peak, query) === 0 ? 1 : Math.sqrt(query / peak);
      });
    });
    return { balanced: eachNumber(keys!, (v, h, _, d) => v * balance.get(h, d)), balance };
  },

  example: {
    // Key (2, 2) against query (8, 1): the product is 18 before and after.
    inputs: { keys: [[[2, 2]]], queryPeaks: [[8, 1]] },
    outputs: { balanced: [[[4, Math.SQRT2]]], balance: [[2, Math.SQRT1_2]] },
  },
});

export const balance = (): Transform => ({
  ...balanceOperator(),
  transform: 'balanced',
  codes: { balance: { type: 'f32', per: 'store', dims: (D) => [D], role: 'scales' } },
  learn: (g, x, { queryPeaks }) => ({ balance: learnt(g, x, queryPeaks!) }),
  forward: (g, x, known) => g.mul(x, overEntries(g, known.balance!)),
  linear: true,
  inverse: (g, x, known) => g.div(x, overEntries(g, known.balance!)),
});
