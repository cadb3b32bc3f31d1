/** Entries whose score is above a fixed threshold: how many stay follows from the text. */
import type { Rule } from './rule.ts';

export function above(threshold: number): Rule {
  const name = `above ${threshold}`;
  return {
    name,
    title: name,
    byPosition: false,
    needsScore: true,
    alone: true,
    graph: (g, { open, score }) => g.mul(open, g.cast(g.greater(score, threshold), 'f32')),
    choose: ({ count, open, score }, _amount, taken) => {
      for (let i = 0; i < count; i++) if (open[i] && score[i]! > threshold) taken[i] = 1;
    },
  };
}
