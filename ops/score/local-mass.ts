/** Local mass: how much attention a key received while it was in the local window.
 *
 *  Xiao et al. 2024, "InfLLM", arXiv:2402.04617, section 3.2: the keys that were looked at most there represent their block
 *  later. Departures: with grouped queries the sum over the group; the window of a chunk is that of its first query. */
import { perElement } from '../cost.ts';
import { sumGroups } from '../graph/composites.ts';
import { eachHead, overGroups, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { sumColumn } from './columns.ts';

export const localMass = operator({
  name: 'local-mass',
  kind: 'score',
  scope: 'head',
  title: ({ window }) => `attention received within ${window}`,
  paper: 'arXiv:2402.04617',
  departures: ['grouped queries: sum over the group', 'the window of a chunk is that of its first query'],
  params: { window: count({ default: 256, min: 1, unit: 'tokens', note: 'length of the local window' }) },
  needs: () => [{ of: 'attention' }],
  inputs: {
    attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0 }),
    // 1 where an entry stands in the window, or behind its first query.
    near: f32(['Hkv', 'T'], { pad: 0 }),
  },
  made: {
    near: ({ window }, _, { entries, queries }) =>
      entries.flatMap((positions) => Array.from(positions, (p) => (p >= 0 && p > queries[0]! - window ? 1 : 0))),
  },
  state: { score: sumColumn },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(1, 'Hq', 'Q', 'T'),

  graph: (g, { attention, near, score }) => ({
    score: g.add(score!, g.mul(sumGroups(g, g.reduceSum(attention!, 'Q')), near!)),
  }),

  reference({ attention, near, score: before }) {
    const [Hq, , T] = attention!.dims as [number, number, number];
    const Hkv = before!.dims[0]!;
    const mass = overGroups(Hkv, Hq / Hkv, T, 'sum', (head, t) =>
      sumOf(rowsOf(attention!, head).map((row) => row[t]!)),
    );
    const score = (h: number, t: number) => before!.get(h, t) + mass.get(h, t) * near!.get(h, t);
    return { score: eachHead(Hkv, T, (h) => Array.from({ length: T }, (_, t) => score(h, t))) };
  },

  example: {
    // The first of three keys has left the window of two.
    inputs: { attention: [[[0.5, 0.25, 0.25]]], near: [[0, 1, 1]], score: [[2, 1, 0]] },
    outputs: { score: [[2, 1.25, 0.25]] },
  },
});
