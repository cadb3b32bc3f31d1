/** Retaining head: a linear reader of query, key and value says how strongly any later query will look at a token.
 *
 *  Huang et al. 2024, "Locret", arXiv:2410.01805. Given once, at birth.
 *  Departures: linear, fitted by regression, in place of a trained network with 1,024 hidden units. */
import { perElement } from '../cost.ts';
import type { Fit } from '../fit/fit.ts';
import type { Value } from '../graph/builder.ts';
import { overGroups, rowsOf, sumOf } from '../loops.ts';
import { type Bound, f32, operator } from '../operator.ts';

export const retainingHeadOperator = operator({
  name: 'retaining-head',
  kind: 'score',
  scope: 'head',
  title: 'retaining head on query, key and value',
  paper: 'arXiv:2410.01805',
  departures: ['a linear reader, fitted by regression'],
  params: {},
  needs: () => [{ of: 'queries' }, { of: 'keys' }, { of: 'values' }],
  inputs: {
    queries: f32(['Hq', 'Q', 'D']),
    keys: f32(['Hkv', 'Q', 'D']),
    values: f32(['Hkv', 'Q', 'D']),
    ofQuery: f32(['Hkv', 'D']),
    ofKey: f32(['Hkv', 'D']),
    ofValue: f32(['Hkv', 'D']),
    bias: f32(['Hkv']),
  },
  outputs: { score: f32(['Hkv', 'Q']) },
  cost: perElement(6, 'Hkv', 'Q', 'D'),

  graph(g, { queries, keys, values, ofQuery, ofKey, ofValue, bias }) {
    const mean = g.reduceMean(g.reshape(queries!, ['Hkv', 'G', 'Q', 'D']), 'G'); // [Hkv, Q, D]
    const read = (x: Value, weights: Value) => g.reduceSum(g.mul(x, g.unsqueeze(weights, 1)), 'D'); // [Hkv, Q]
    const ofRows = g.add(read(keys!, ofKey!), read(values!, ofValue!));
    return { score: g.add(g.add(read(mean, ofQuery!), ofRows), g.unsqueeze(bias!, 1)) };
  },

  reference({ queries, keys, values, ofQuery, ofKey, ofValue, bias }) {
    const [Hq, Q] = queries!.dims as [number, number];
    const Hkv = keys!.dims[0]!;
    const score = overGroups(Hkv, Hq / Hkv, Q, 'mean', (queryHead, q) => {
      const h = Math.floor((queryHead * Hkv) / Hq);
      const read = (row: readonly number[], weights: typeof bias) => sumOf(row.map((v, d) => v * weights!.get(h, d)));
      const ofRows = read(rowsOf(keys!, h)[q]!, ofKey) + read(rowsOf(values!, h)[q]!, ofValue);
      return read(rowsOf(queries!, queryHead)[q]!, ofQuery) + ofRows + bias!.get(h);
    });
    return { score };
  },

  example: {
    inputs: {
      queries: [[[2]]],
      keys: [[[3]]],
      values: [[[5]]],
      ofQuery: [[1]],
      ofKey: [[10]],
      ofValue: [[100]],
      bias: [0.5],
    },
    outputs: { score: [[532.5]] },
  },
});

/** The head with the fit that gives its weights. */
export const retainingHead = (fit: Fit): Bound => ({ ...retainingHeadOperator(), fits: [fit] });
