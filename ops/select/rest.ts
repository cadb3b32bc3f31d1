/** Everything that no earlier rule took, unless the allocation limits it: then the newest of it. */
import { rule, takeLargest } from './rule.ts';
import { largest, wholes } from './rule-graph.ts';

export const rest = rule({
  name: 'rest',
  byPosition: false,
  needsScore: false,
  graph: (g, { open, position }, amount) => largest(g, open, position, wholes(g, amount)),
  choose: (c, amount, taken) => takeLargest(c, c.position, amount, taken),
});
