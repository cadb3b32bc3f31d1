/** Uniform: every layer and head may hold the same amount in each zone.
 *
 *  Keys that name zones are amounts of that zone. `keep`, `entries` or `bytes` is the total, and the zones not named share
 *  what is left, the earlier ones getting the odd entries (largest remainder of equal shares). With `burst` a head is left
 *  alone until it holds that many more than its amounts, and is then cut down to them in one go. With `chunk` amounts are
 *  counted in chunks of that many entries, of which a share is a share of the chunks of the prompt. */
import { neutral } from '../neutral.ts';
import type { Allocation, AllocationRequest } from './allocation.ts';
import type { Rounding } from './amount.ts';
import { amountWords, largestRemainder, type NamedAmounts, splitAmounts } from './amounts.ts';

export type UniformAmounts = NamedAmounts;

export function uniform(
  amounts: UniformAmounts,
  { burst = 0, rounding, chunk = 1 }: { burst?: number; rounding?: Rounding; chunk?: number } = {},
): Allocation {
  const words = `${amountWords(amounts)}${burst === 0 ? '' : `, cut when ${burst} over`}`;
  return {
    ...neutral('uniform', 'allocate', `equal per head: ${words}`),
    neutral: false,
    burst,
    allocate: (request) => {
      const everywhere = (n: number) => new Float64Array(request.layers * request.kvHeads).fill(n * chunk);
      const counted = inChunks(amounts, request, chunk);
      const { fixed, sharing, left } = splitAmounts('uniform', counted.amounts, counted.request, rounding);
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

/** What is asked, where every entry is a chunk of entries; a last chunk that is not full counts as one. */
function inChunks({ entries, ...amounts }: UniformAmounts, request: AllocationRequest, chunk: number) {
  const { promptLength, bytesPerEntry } = request;
  return {
    amounts: { ...amounts, entries: entries && Math.max(1, Math.floor(entries / chunk)) },
    request: { ...request, promptLength: Math.ceil(promptLength / chunk), bytesPerEntry: bytesPerEntry * chunk },
  };
}
