/** Everything that no earlier rule took, unless the allocation limits it: then the newest of it. */
import { rule, takeLargest } from './rule.ts';

export const rest = rule({
  name: 'rest',
  byPosition: false,
  needsScore: false,
  choose: (c, amount, taken) => takeLargest(c, c.position, amount, taken),
});
