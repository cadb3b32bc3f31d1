/** Accumulated attention: a key's score is all the attention it has received so far.
 *
 *  Zhang et al. 2023, "H2O: Heavy-Hitter Oracle", arXiv:2306.14048, section 4.
 *  Departures: with grouped queries the paper is silent; by default we sum over the query heads of a group. */
import { perElement } from '../cost.ts';
import { maxGroups, meanGroups, sumGroups } from '../graph/composites.ts';
import { overGroups } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { choice, number } from '../params.ts';
import { sumColumn } from './columns.ts';

export const accumulatedAttention = operator({
  name: 'accumulated-attention',
  kind: 'score',
  scope: 'head',
  title: ({ decay }) => (decay === 1 ? 'accumulated attention' : `accumulated attention, decay ${decay}`),
  paper: 'arXiv:2306.14048',
  departures: ['grouped queries: sum over the group (the paper has one query head for each key head)'],
  params: {
    decay: number({
      default: 1,
      min: 0,
      max: 1,
      note: 'what is left of the old score after a run; 1 = never forget (paper)',
    }),
    group: choice(['sum', 'mean', 'max'], 'sum', 'how the query heads of a group become one score'),
  },
  needs: () => [{ of: 'attention' }],
  inputs: { attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0 }) },
  state: { score: sumColumn },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(1, 'Hq', 'Q', 'T'),

  graph(g, { attention, score }, { decay, group }) {
    const received = g.reduceSum(attention!, 'Q'); // [Hq, T]
    const perKey = { sum: sumGroups, mean: meanGroups, max: maxGroups }[group](g, received); // [Hkv, T]
    const before = decay === 1 ? score! : g.mul(score!, decay); // [Hkv, T]
    return { score: g.add(before, perKey) }; // [Hkv, T]
  },

  reference({ attention, score: before }, { decay, group }) {
    const [Hq, Q, T] = attention!.dims as [number, number, number];
    const Hkv = before!.dims[0]!;
    const score = overGroups(Hkv, Hq / Hkv, T, group, (queryHead, t) => {
      let received = 0;
      for (let q = 0; q < Q; q++) received += attention!.get(queryHead, q, t);
      return received;
    });
    for (let h = 0; h < Hkv; h++) for (let t = 0; t < T; t++) score.add(decay * before!.get(h, t), h, t);
    return { score };
  },

  example: {
    // Uniform causal attention over four tokens; the scores are 25/12, 13/12, 7/12 and 1/4.
    inputs: {
      attention: [
        [
          [1, 0, 0, 0],
          [1 / 2, 1 / 2, 0, 0],
          [1 / 3, 1 / 3, 1 / 3, 0],
          [1 / 4, 1 / 4, 1 / 4, 1 / 4],
        ],
      ],
      score: [[0, 0, 0, 0]],
    },
    outputs: { score: [[25 / 12, 13 / 12, 7 / 12, 1 / 4]] },
  },
});
