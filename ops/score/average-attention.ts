/** Average attention: what a key received, divided by the number of queries that could see it.
 *
 *  NVIDIA kvpress, ObservedAttention, after H2O (arXiv:2306.14048): the sum alone favours old keys, which more queries saw.
 *  A query sees a key if it gives it any attention at all. */
import { perElement } from '../cost.ts';

import { overGroups, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { tensor } from '../tensor.ts';
import { maxColumn, sumColumn } from './columns.ts';
import { groupRows, leastSeen } from './group-rows.ts';

export const averageAttention = operator({
  name: 'average-attention',
  kind: 'score',
  scope: 'head',
  title: 'average attention received',
  paper: 'arXiv:2306.14048',
  departures: ['a query counts where it gives any attention'],
  params: {},
  needs: () => [{ of: 'attention' }],
  inputs: { attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0 }) },
  state: {
    received: sumColumn,
    visible: maxColumn,
  },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(3, 'Hq', 'Q', 'T'),

  graph(g, { attention, received, visible }) {
    const rows = groupRows(g, attention!); // [Hkv, Q, T]
    const nowReceived = g.add(received!, g.reduceSum(rows, 'Q')); // [Hkv, T]
    const nowVisible = g.add(visible!, g.reduceSum(g.cast(g.greater(rows, leastSeen), 'f32'), 'Q'));
    return { score: g.div(nowReceived, g.max(nowVisible, 1)), received: nowReceived, visible: nowVisible };
  },

  reference({ attention, received: r, visible: v }) {
    const [Hq, Q, T] = attention!.dims as [number, number, number];
    const Hkv = r!.dims[0]!;
    const G = Hq / Hkv;
    const received = overGroups(Hkv, G, T, 'mean', (queryHead, t) => {
      let sum = r!.get(Math.floor(queryHead / G), t);
      for (let q = 0; q < Q; q++) sum += attention!.get(queryHead, q, t);
      return sum;
    });
    const [score, visible] = [tensor([Hkv, T]), tensor([Hkv, T], v!.data)];
    for (let h = 0; h < Hkv; h++)
      for (let t = 0; t < T; t++) {
        for (let q = 0; q < Q; q++) {
          const given = Array.from({ length: G }, (_, member) => attention!.get(h * G + member, q, t));
          if (sumOf(given) / G > leastSeen) visible.add(1, h, t);
        }
        score.set(received.get(h, t) / Math.max(1, visible.get(h, t)), h, t);
      }
    return { score, received, visible };
  },

  example: {
    // Uniform causal attention over two tokens: 1.5 over two queries, 0.5 over one.
    inputs: { attention: [[[1, 0], [0.5, 0.5]]], received: [[0, 0]], visible: [[0, 0]] }, // biome-ignore format: one row a query
    outputs: { score: [[0.75, 0.5]], visible: [[2, 1]] },
  },
});
