/** Uniform: every layer and head may hold the same amount in each zone.
 *
 *  Keys that name zones are amounts of that zone. `keep`, `entries` or `bytes` is the total, and the zones not named share
 *  what is left, the earlier ones getting the odd entries (largest remainder of equal shares). With `burst` a head is left
 *  alone until it holds that many more than its amounts, and is then cut down to them in one go. */
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';
import { amountWords, largestRemainder, type NamedAmounts, splitAmounts } from './amounts.ts';

export type UniformAmounts = NamedAmounts;

export function uniform(amounts: UniformAmounts, { burst = 0 }: { burst?: number } = {}): Allocation {
  const words = `${amountWords(amounts)}${burst === 0 ? '' : `, cut when ${burst} over`}`;
  return {
    ...neutral('uniform', 'allocate', `equal per head: ${words}`),
    neutral: false,
    burst,
    allocate: (request) => {
      const everywhere = (n: number) => new Float64Array(request.layers * request.kvHeads).fill(n);
      const { fixed, sharing, left } = splitAmounts('uniform', amounts, request);
      const out = new Map([...fixed].map(([zone, n]) => [zone, everywhere(n)]));
      if (left === undefined) return out;
      const equal = sharing.map(() => left / sharing.length);
      const parts = Number.isFinite(left) ? largestRemainder(equal, left) : equal;
      sharing.forEach((zone, i) => {
        out.set(zone, everywhere(parts[i]!));
      });
      return out;
    },
  };
}
