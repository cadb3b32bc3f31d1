/** Expected attention: how much the queries that are still to come would look at a key, if they were like those before.
 *
 *  Devoto et al. 2025, "Expected Attention", arXiv:2510.00636, and NVIDIA kvpress. Queries are taken as Gaussian: with mean m
 *  and covariance S, turned to the average angle of the next `future` positions, E exp(q.k / sqrt D) is
 *  exp(m.k / sqrt D + kSk / 2D); softmax over keys, mean over the group, times the length of the value.
 *  Departures: statistics of the last `queries` queries; the first `sinks` keys take no part. */
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { eachHead, lengthOf, overGroups, rowsOf, softmaxOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count, flag } from '../params.ts';
import { heldInOrder } from './columns.ts';
import { meanRotation } from './mean-rotation.ts';

export const expectedAttention = operator({
  name: 'expected-attention',
  kind: 'score',
  scope: 'head',
  title: ({ future }) => `expected attention of the next ${future}`,
  paper: 'arXiv:2510.00636',
  departures: ['statistics of the last `queries` queries only'],
  params: {
    future: count({ default: 512, min: 1, unit: 'positions', note: 'how far ahead the average angle looks' }),
    queries: count({
      default: 512,
      min: 1,
      unit: 'queries',
      note: 'last queries from which mean and covariance are taken',
    }),
    skip: count({ default: 0, unit: 'queries', note: 'first of those queries, which take no part' }),
    sinks: count({ default: 4, note: 'first keys that take no part; a rule keeps them' }),
    covariance: flag(true, 'use the spread of the queries, not only their mean'),
    values: flag(true, 'multiply with the length of the value'),
  },
  needs: ({ queries }) => [{ of: 'queries', rows: { last: queries } }, { of: 'keys', rotated: true }, { of: 'values' }],
  inputs: {
    queries: f32(['Hq', 'Q', 'D']),
    keys: heldInOrder,
    values: heldInOrder,
    turn: f32(['D', 'D']),
  },
  made: { turn: ({ future }, { seen, sizes, frequencies }) => meanRotation(seen, future, sizes.D!, frequencies) },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: ({ Hq = 1, Q = 1, T = 1, D = 1 }) => ({ flops: 2 * Hq * Q * T * D, bytes: 4 * Hq * T * D }),

  graph(g, { queries, keys, values, turn }, { sinks, skip, covariance, values: useValues }) {
    const D = g.sizes.D!;
    const future = g.matMul(behind(g, queries!, skip), turn!); // [Hq, Q, D]
    const mean = g.reduceMean(future, 'Q', true); // [Hq, 1, D]
    const columns = g.transpose(keys!, [0, 2, 1]); // [Hkv, D, T]
    const onKeys = (x: Value, rows: string | number): Value => {
      const grouped = g.reshape(x, ['Hkv', 'G', rows, 'D']); // [Hkv, G, rows, D]
      const products = g.matMul(grouped, g.unsqueeze(columns, 1)); // [Hkv, G, rows, T]
      return g.div(products, Math.sqrt(D));
    };
    const likely = g.squeeze(onKeys(mean, 1), 2); // [Hkv, G, T]
    const spread = g.reduceMean(g.pow(onKeys(g.sub(future, mean), 'Q'), 2), 2); // [Hkv, G, T]
    const exponent = covariance ? g.add(likely, g.div(spread, 2)) : likely;
    const open = g.unsqueeze(beyondSinks(g, keys!, sinks), 1); // [Hkv, 1, T]
    const expected = g.mul(g.softmax(g.where(g.greater(open, 0), exponent, -1e30), 2), open); // [Hkv, G, T]
    const perKey = g.reduceMean(expected, 1); // [Hkv, T]
    return { score: useValues ? g.mul(perKey, g.sqrt(g.reduceSumSquare(values!, 'D'))) : perKey };
  },

  reference({ queries, keys, values, turn }, { sinks, skip, covariance, values: useValues }) {
    const [Hq, Q] = queries!.dims as [number, number];
    const D = keys!.dims[2]!;
    const [Hkv, T] = keys!.dims as [number, number];
    const expected = Array.from({ length: Hq }, (_, h) => {
      const rows = rowsOf(keys!, Math.floor((h * Hkv) / Hq));
      const counted = rowsOf(queries!, h).slice(Math.min(skip, Q - 1));
      const turned = counted.map((row) => row.map((_, d) => sumOf(row.map((v, e) => v * turn!.get(e, d)))));
      const exponents = rows.map((key) => {
        const products = turned.map((query) => sumOf(query.map((v, d) => v * key[d]!)) / Math.sqrt(D));
        const mean = sumOf(products) / products.length;
        return covariance ? mean + sumOf(products.map((p) => (p - mean) ** 2)) / products.length / 2 : mean;
      });
      return [...exponents.slice(0, sinks).map(() => 0), ...softmaxOf(exponents.slice(sinks))];
    });
    const mean = overGroups(Hkv, Hq / Hkv, T, 'mean', (queryHead, t) => expected[queryHead]![t]!);
    const score = eachHead(Hkv, T, (h) =>
      rowsOf(values!, h).map((value, t) => mean.get(h, t) * (useValues ? lengthOf(value) : 1)),
    );
    return { score };
  },

  example: {
    // One query (2, 0) that is not turned; keys (1, 0), (0, 1): logits sqrt 2 and 0.
    inputs: { queries: [[[2, 0]]], keys: [[[1, 0], [0, 1]]], values: [[[3, 4], [0, 1]]], turn: [[1, 0], [0, 1]] }, // biome-ignore format: matrices
    params: { sinks: 0 },
    outputs: { score: [[5 * 0.804430, 0.195570]] }, // biome-ignore format: as computed by hand
  },
  tolerance: 1e-4,
});

/** The queries [Hq, Q, D] without the first ones, but for the last. */
function behind(g: GraphBuilder, queries: Value, skip: number): Value {
  if (skip === 0) return queries;
  const last = g.sub(g.slice(g.shape(queries), 0, 1, 2, 1), g.constant('i64', [1], [1])); // i64 [1]
  return g.slice(queries, 'Q', g.min(g.constant('i64', [skip], [1]), last), 2 ** 31, 'Q');
}

/** 1 for all but the first `sinks` entries [Hkv, T], which are in time order. */
function beyondSinks(g: GraphBuilder, keys: Value, sinks: number): Value {
  const ones = g.add(g.mul(g.reduceSum(keys, 'D'), 0), 1); // [Hkv, T]
  return g.cast(g.greater(g.cumSum(ones, 'T'), sinks), 'f32');
}
