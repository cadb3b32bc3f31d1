/** Filter the prompt: the first layers read all of it once, and only the best-scored tokens are given to the whole model.
 *
 *  Shi et al. 2024, "GemFilter", arXiv:2409.17422. The chosen tokens keep their order and get new positions from 0. */
import { entriesOf } from '../allocate/amount.ts';
import { neutral } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import type { Pass } from './pass.ts';

export function filterPrompt({ layers, tokens, score }: { layers: number; tokens: number; score: Bound }): Pass {
  return {
    ...neutral(
      'filter-prompt',
      'pass',
      `${tokens < 1 ? `${Math.round(tokens * 1000) / 10} %` : `${tokens} tokens`} of the prompt, by ${score.title} in layer ${layers}`,
    ),
    neutral: false,
    params: { layers, tokens },
    needs: score.needs,
    async before(prompt, runner) {
      const most = entriesOf(tokens, prompt.length);
      if (prompt.length <= most) return { tokens: prompt };
      const { data } = await runner.score(prompt, { layers, score });
      const best = Array.from(data, (_, t) => t).sort((a, b) => data[b]! - data[a]! || a - b);
      const kept = best.slice(0, most).sort((a, b) => a - b);
      return { tokens: Int32Array.from(kept, (t) => prompt[t]!) };
    },
  };
}
