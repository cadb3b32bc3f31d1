/** Filter the prompt: the first layers read all of it once, and only the best-scored tokens are given to the whole model.
 *
 *  Shi et al. 2024, "GemFilter", arXiv:2409.17422; Galim et al. 2025, SpecPC, arXiv:2506.08373. The chosen tokens keep their
 *  order and get new positions from 0. With `from` the score is the largest of the layers from there on; with `neighbours`
 *  each chosen token brings those around it, while there is room. */
import { entriesOf } from '../allocate/amount.ts';
import { neutral } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import type { Pass } from './pass.ts';

export interface Filter {
  /** First layers that read the prompt. */
  layers: number;
  /** First of them that is scored, counted from 1; the last one alone unless said. */
  from?: number;
  /** Tokens that stay; a share of the prompt below 1. */
  tokens: number;
  score: Bound;
  /** Tokens around a chosen one that stay with it, half of them before it. */
  neighbours?: number;
}

export function filterPrompt({ layers, from = layers, tokens, score, neighbours = 0 }: Filter): Pass {
  for (const [name, n] of Object.entries({ layers, from }))
    if (!(Number.isInteger(n) && n >= 1))
      throw new RangeError(`filter-prompt: ${name} is ${n}; give a whole number from 1`);
  if (!(tokens > 0))
    throw new RangeError(`filter-prompt: tokens is ${tokens}; give how many stay, or a share of the prompt`);
  const where = from === layers ? `layer ${layers}` : `layers ${from} to ${layers}`;
  return {
    ...neutral(
      'filter-prompt',
      'pass',
      `${tokens < 1 ? `${Math.round(tokens * 1000) / 10} %` : `${tokens} tokens`} of the prompt, by ${score.title} in ${where}`,
    ),
    neutral: false,
    params: { layers, tokens },
    needs: score.needs,
    async before(prompt, runner) {
      const most = entriesOf(tokens, prompt.length);
      if (prompt.length <= most) return { tokens: prompt };
      const { data } = await runner.score(prompt, { layers, from, score });
      const best = Array.from(data, (_, t) => t).sort((a, b) => data[b]! - data[a]! || a - b);
      const kept = new Set<number>();
      for (const token of best) {
        if (kept.size === most) break;
        for (const near of aroundIt(token, neighbours, prompt.length)) if (kept.size < most) kept.add(near);
      }
      return { tokens: prompt.filter((_, t) => kept.has(t)) };
    },
  };
}

/** A token and those around it, the nearest first. */
function aroundIt(token: number, neighbours: number, length: number): number[] {
  const steps = Array.from({ length: neighbours }, (_, i) => (i % 2 === 0 ? -1 : 1) * (Math.floor(i / 2) + 1));
  return [0, ...steps].map((step) => token + step).filter((t) => t >= 0 && t < length);
}
