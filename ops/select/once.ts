/** Once: a rule that fills its zone the first time it finds something, and afterwards only keeps what it took. */
import type { Rule } from './rule.ts';

export const once = (rule: Rule): Rule => ({
  ...rule,
  title: `${rule.title}, once`,
  byPosition: false,
  graph:
    rule.graph &&
    ((g, c, amount) => {
      const found = g.greater(g.reduceSum(c.held, 1, true), 0); // [Hkv, 1]
      return g.where(found, c.held, rule.graph!(g, c, amount));
    }),
  choose(c, amount, taken) {
    if (c.held.some((held) => held)) for (let i = 0; i < c.count; i++) taken[i] = c.held[i]!;
    else rule.choose(c, amount, taken);
  },
});
