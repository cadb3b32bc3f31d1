/** Once: a rule that fills its zone the first time it finds something, and afterwards only keeps what it took. */
import type { Rule } from './rule.ts';

export const once = (rule: Rule): Rule => ({
  ...rule,
  title: `${rule.title}, once`,
  byPosition: false,
  choose(c, amount, taken) {
    if (c.held.some((held) => held)) for (let i = 0; i < c.count; i++) taken[i] = c.held[i]!;
    else rule.choose(c, amount, taken);
  },
});
