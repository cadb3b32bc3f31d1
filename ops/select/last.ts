/** The newest entries: the local window. */
import { type Rule, rule, takeLargest } from './rule.ts';
import { largest, wholes } from './rule-graph.ts';

/** Takes the newest of what is open. */
export const newest: Pick<Rule, 'needsScore' | 'graph' | 'choose'> = {
  needsScore: false,
  graph: (g, { open, position }, amount) => largest(g, open, position, wholes(g, amount)),
  choose: (c, amount, taken) => takeLargest(c, c.position, amount, taken),
};

export const last = rule({ ...newest, name: 'last', byPosition: 'last' });
