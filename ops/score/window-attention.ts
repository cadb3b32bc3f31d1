/** Window attention: a key's score is the attention that the last queries of the prompt give it, smoothed over neighbours.
 *
 *  Li et al. 2024, "SnapKV", arXiv:2404.14469, section 4. The columns of the window itself score 0, since the window stays.
 *  Departures: with grouped queries one score for each key head (the authors repeat the keys and select for each query head). */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { maxGroups, meanGroups, pool1d, sumGroups } from '../graph/composites.ts';
import { overGroups, pooled, reduced, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { choice, count } from '../params.ts';

export const windowAttention = operator({
  name: 'window-attention',
  kind: 'score',
  scope: 'head',
  title: ({ window, pool, kernel }) =>
    `attention of the last ${window}${pool === 'none' ? '' : `, ${pool} over ${kernel}`}`,
  paper: 'arXiv:2404.14469',
  departures: ['grouped queries: one score for each key head'],
  params: {
    window: count({ default: 32, min: 1, unit: 'queries', note: 'observation window: the last queries of the prompt' }),
    reduce: choice(['sum', 'mean', 'max'], 'sum', 'how the queries of window and group become one score'),
    pool: choice(['max', 'mean', 'none'], 'max', 'how neighbouring keys share their scores'),
    kernel: count({ default: 7, min: 1, unit: 'keys', note: 'width of the pooling; odd' }),
    heads: choice(['each', 'mean'], 'each', 'a score for each key head, or their mean for all of them'),
    own: choice(['zero', 'highest'], 'zero', 'what the columns of the window itself score: 0, or more than all others'),
    guests: count({
      default: 0,
      unit: 'tokens',
      note: 'tokens of a draft behind the prompt, which vote beside the window, as does the prompt token before it',
    }),
  },
  needs: ({ window, guests }) => [
    { of: 'attention', rows: guests ? { last: window + guests + 1, guests: guests + 1 } : { last: window } },
  ],
  inputs: { attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0, ordered: true }) },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(1, 'Hq', 'Q', 'T'),

  graph(g, { attention }, { reduce, pool, kernel, heads, own }) {
    const rows = { sum: g.reduceSum, mean: g.reduceMean, max: g.reduceMax }[reduce](attention!, 'Q'); // [Hq, T]
    const perKey = { sum: sumGroups, mean: meanGroups, max: maxGroups }[reduce](g, rows); // [Hkv, T]
    const queries = g.slice(g.shape(attention!), 0, 1, 2, 1); // i64 [1]: rows seen, which is the window
    const outside = g.slice(perKey, 'T', 0, g.neg(queries), 'T-Q'); // [Hkv, T-Q]
    const behind = g.concat([g.constant('i64', [0], [1]), queries], 0); // i64 [2]
    const padded = g.pad(outside, 0, behind, 0, 'T'); // [Hkv, T]
    const pooledScore = pool1d(g, padded, pool, kernel); // [Hkv, T]
    const score = own === 'zero' ? pooledScore : highestInWindow(g, pooledScore, outside, behind); // [Hkv, T]
    return { score: heads === 'each' ? score : g.add(g.mul(score, 0), g.reduceMean(score, 'Hkv', true)) };
  },

  reference({ attention }, { reduce, pool, kernel, heads, own }, { sizes }) {
    const [Hq, Q, T] = attention!.dims as [number, number, number];
    const { Hkv } = sizes as { Hkv: number };
    const raw = overGroups(Hkv, Hq / Hkv, T, reduce, (queryHead, t) => {
      const seen = Array.from({ length: Q }, (_, q) => attention!.get(queryHead, q, t));
      return t < T - Q ? reduced(seen, reduce) : 0;
    });
    const score = pooled(raw, pool, kernel);
    const best = Math.max(...score.data) + 1;
    if (own === 'highest')
      for (let h = 0; h < Hkv; h++) for (let t = Math.max(0, T - Q); t < T; t++) score.set(best, h, t);
    const mean = (t: number) => sumOf(Array.from({ length: Hkv }, (_, h) => score.get(h, t))) / Hkv;
    return { score: heads === 'each' ? score : overGroups(Hkv, 1, T, 'sum', (_, t) => mean(t)) };
  },

  example: {
    inputs: { attention: [[[0.1, 0.6, 0, 0.3]]] },
    sizes: { Hq: 1, Hkv: 1, G: 1 },
    params: { kernel: 3 },
    outputs: { score: [[0.6, 0.6, 0.6, 0]] },
  },
});

/** The window's columns raised to 1 above the largest score of all heads. */
function highestInWindow(g: GraphBuilder, score: Value, outside: Value, behind: Value): Value {
  const best = g.add(g.reduceMax(g.reduceMax(score, 'T', true), 'Hkv', true), 1); // [1, 1]
  const inWindow = g.pad(g.mul(outside, 0), 0, behind, 1, 'T'); // [Hkv, T]
  return g.where(g.greater(inWindow, 0), best, score);
}
