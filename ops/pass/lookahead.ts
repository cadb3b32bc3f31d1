/** Lookahead: a cheap method drafts the answer, and the draft's tokens vote as guests for what stays of the prompt.
 *
 *  Galim et al. 2025, "SpecKV", arXiv:2506.08373. The last prompt token is fed once more, after the guests have left. */
import type { Method } from '../method.ts';
import { neutral } from '../neutral.ts';
import type { Pass } from './pass.ts';

export function lookahead({ draft, tokens }: { draft: Method; tokens: number }): Pass {
  return {
    ...neutral('lookahead', 'pass', `a draft of ${tokens} tokens by ${draft.name}`),
    neutral: tokens === 0,
    params: { tokens },
    async before(prompt, runner) {
      if (tokens === 0) return { tokens: prompt };
      return { tokens: prompt, guests: await runner.write(prompt, tokens, { method: draft }) };
    },
  };
}
