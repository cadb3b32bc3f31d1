/** Run again after a hole: what stands behind entries that left is computed anew, so that it forgets them too.
 *
 *  Without it the states behind the hole keep what they read while the entries were there; only positions close up. */
import { neutral } from '../neutral.ts';
import type { Pass } from './pass.ts';

export function runAgainAfterHole({ again }: { again: boolean }): Pass {
  return {
    ...neutral('run-again-after-hole', 'pass', again ? 'what follows a hole runs again' : 'one run'),
    neutral: !again,
    params: { again },
    ...(again ? { after: ({ to }, end) => ({ from: to, to: end }) } : {}),
  };
}
