/** The entries with the highest scores; ties stay at the lowest position. */
import { rule, takeLargest } from './rule.ts';
import { largest, wholes } from './rule-graph.ts';

export const top = rule({
  name: 'top',
  byPosition: false,
  needsScore: true,
  graph: (g, { open, score }, amount) => largest(g, open, score, wholes(g, amount)),
  choose: (c, amount, taken) => takeLargest(c, c.score, amount, taken),
});
