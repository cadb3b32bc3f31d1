/** The newest entries that do not fill a whole group yet: of `seen` tokens, `seen mod amount`.
 *
 *  Liu et al. 2024, "KIVI", arXiv:2402.02750, section 4.1: keys are quantized in whole groups, the remainder stays exact. */
import { rule, takeLargest } from './rule.ts';
import { largest, wholes } from './rule-graph.ts';

export const remainder = rule({
  name: 'remainder',
  byPosition: false,
  needsScore: false,
  graph: (g, { open, position, seen }, amount) => {
    const left = g.node('Mod', [seen, wholes(g, amount)], [{ type: 'i64', dims: [amount.length] }])[0]!;
    return largest(g, open, position, left);
  },
  choose: (c, amount, taken) => takeLargest(c, c.position, c.seen % amount, taken),
});
