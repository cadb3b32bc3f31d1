/** Uniform: every layer and head may hold the same amount in each zone.
 *
 *  Keys that name zones are amounts of that zone. `keep`, `entries` or `bytes` is the total, and the zones not named share
 *  what is left, the earlier ones getting the odd entries (largest remainder of equal shares). */
import { neutral } from '../neutral.ts';
import type { Allocation, AllocationRequest } from './allocation.ts';
import { type Amount, type Budget, entriesOf } from './amount.ts';

export type UniformAmounts = Budget & { readonly [zone: string]: Amount | undefined };

export function uniform(amounts: UniformAmounts): Allocation {
  const { keep, entries, bytes, ...named } = amounts;
  const total = keep ?? entries ?? bytes;
  const words = [
    ...(keep !== undefined ? [`${Math.round(keep * 1000) / 10} %`] : []),
    ...(entries !== undefined ? [`${entries} entries`] : []),
    ...(bytes !== undefined ? [`${bytes} bytes`] : []),
    ...Object.entries(named).flatMap(([zone, n]) =>
      n === undefined ? [] : [`${zone} ${n >= 1 || n === 0 ? n : `${Math.round(n * 1000) / 10} %`}`],
    ),
  ];
  return {
    ...neutral('uniform', 'allocate', `equal per head: ${words.join(', ')}`),
    neutral: false,
    allocate: (request) => {
      const heads = request.layers * request.kvHeads;
      const fixed = request.zones.filter((zone) => named[zone] !== undefined);
      const sharing = request.zones.filter((zone) => named[zone] === undefined);
      const out = new Map<string, Float64Array>();
      let spent = request.reserved;
      for (const zone of fixed) {
        const n = entriesOf(named[zone]!, request.promptLength);
        spent += n;
        out.set(zone, new Float64Array(heads).fill(n));
      }
      if (total === undefined) return out;
      const budget = totalEntries(amounts, request);
      if (budget < spent)
        throw new RangeError(
          `uniform: the budget is ${budget} entries a head, but ${spent} are spoken for (${[...fixed, 'fixed rules'].join(', ')}); raise the budget or lower those`,
        );
      sharing.forEach((zone, i) => {
        const left = budget - spent;
        const odd = Number.isFinite(left) ? left % sharing.length : 0;
        const part = Math.floor(left / sharing.length) + (i < odd ? 1 : 0);
        out.set(zone, new Float64Array(heads).fill(part));
      });
      return out;
    },
  };
}

/** Entries for each head that a total budget allows. */
function totalEntries({ keep, entries, bytes }: Budget, request: AllocationRequest): number {
  if (entries !== undefined) return entriesOf(entries, request.promptLength);
  if (bytes !== undefined) return Math.floor(bytes / (request.bytesPerEntry * request.layers * request.kvHeads));
  return keep === 1 ? Number.POSITIVE_INFINITY : entriesOf(keep!, request.promptLength);
}
