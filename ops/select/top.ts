/** The entries with the highest scores; ties stay at the lowest position. */
import { rule, takeLargest } from './rule.ts';

export const top = rule({
  name: 'top',
  byPosition: false,
  needsScore: true,
  choose: (c, amount, taken) => takeLargest(c, c.score, amount, taken),
});
