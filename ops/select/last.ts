/** The newest entries: the local window. */
import { rule, takeLargest } from './rule.ts';
import { largest, wholes } from './rule-graph.ts';

export const last = rule({
  name: 'last',
  byPosition: 'last',
  newest: true,
  needsScore: false,
  graph: (g, { open, position }, amount) => largest(g, open, position, wholes(g, amount)),
  choose: (c, amount, taken) => takeLargest(c, c.position, amount, taken),
});
