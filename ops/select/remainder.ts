/** The newest entries that do not fill a whole group yet: of `seen` tokens, `seen mod amount`.
 *
 *  Liu et al. 2024, "KIVI", arXiv:2402.02750, section 4.1: keys are quantized in whole groups, the remainder stays exact. */
import { rule, takeLargest } from './rule.ts';

export const remainder = rule({
  name: 'remainder',
  byPosition: false,
  needsScore: false,
  choose: (c, amount, taken) => takeLargest(c, c.position, c.seen % amount, taken),
});
