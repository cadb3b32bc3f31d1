/** The first entries of the text: attention sinks live here. */
import { rule } from './rule.ts';
import { eachHeads } from './rule-graph.ts';

export const first = rule({
  name: 'first',
  byPosition: 'first',
  needsScore: false,
  graph: (g, { open, position }, amount) => g.mul(open, g.cast(g.less(position, eachHeads(g, amount)), 'f32')),
  choose: (c, amount, taken) => {
    // By absolute position, not by rank: a sink that left does not make its successor a sink.
    for (let i = 0; i < c.count; i++) if (c.open[i] && c.position[i]! < amount) taken[i] = 1;
  },
});
