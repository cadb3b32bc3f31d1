/** The newest entries: the local window. */
import { rule, takeLargest } from './rule.ts';

export const last = rule({
  name: 'last',
  byPosition: 'last',
  needsScore: false,
  choose: (c, amount, taken) => takeLargest(c, c.position, amount, taken),
});
