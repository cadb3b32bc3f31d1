/** Amounts for zones said by name and by a total, for one head. Allocations differ only in how they spread the total. */
import type { Allocated, AllocationRequest } from './allocation.ts';
import { type Amount, type Budget, entriesOf, type Rounding } from './amount.ts';

/** A share of the total budget, where a number below 1 is a share of the prompt. */
export interface ShareOfBudget {
  readonly ofBudget: number;
}
export function ofBudget(share: number): ShareOfBudget {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`allocate: ${share} is no share of a budget; give 0 to 1`);
  return { ofBudget: share };
}
export type NamedAmounts = Budget & { readonly [zone: string]: Amount | ShareOfBudget | undefined };

/** Entries for each head that a total budget allows; undefined without one. */
export function totalEntries(
  { keep, entries, bytes }: Budget,
  request: AllocationRequest,
  rounding?: Rounding,
): number | undefined {
  if (entries !== undefined) return entriesOf(entries, request.promptLength);
  if (bytes !== undefined) return Math.floor(bytes / (request.bytesPerEntry * request.layers * request.kvHeads));
  if (keep === undefined) return undefined;
  return keep === 1 ? Number.POSITIVE_INFINITY : entriesOf(keep, request.promptLength, rounding);
}

/** Entries of the zones that are named, those that share the rest of the total, and that rest for each head.
 *  Throws where more is named than the total allows. */
export function splitAmounts(owner: string, amounts: NamedAmounts, request: AllocationRequest, rounding?: Rounding) {
  const { keep, entries, bytes, ...named } = amounts;
  const fixed = request.zones.filter((zone) => named[zone] !== undefined);
  const sharing = request.zones.filter((zone) => named[zone] === undefined);
  const total = totalEntries({ keep, entries, bytes }, request, rounding);
  const entriesFor = new Map(
    fixed.map((zone) => {
      const n = named[zone]!;
      const entries =
        typeof n === 'number' ? entriesOf(n, request.promptLength, rounding) : Math.floor((total ?? 0) * n.ofBudget);
      return [zone, entries];
    }),
  );
  const spent = request.reserved + [...entriesFor.values()].reduce((a, b) => a + b, 0);
  if (total !== undefined && total < spent)
    throw new RangeError(
      `${owner}: the budget is ${total} entries a head, but ${spent} are spoken for (${[...fixed, 'fixed rules'].join(', ')}); raise the budget or lower those`,
    );
  return { fixed: entriesFor, sharing, left: total === undefined ? undefined : total - spent };
}

/** Named zones hold the same everywhere; the first zone that is not named gets what `spread` makes of the rest. */
export function spreadRest(
  owner: string,
  amounts: NamedAmounts,
  request: AllocationRequest,
  spread: (left: number, spent: number) => Float64Array<ArrayBuffer>,
  rounding?: Rounding,
): Allocated {
  const { fixed, sharing, left } = splitAmounts(owner, amounts, request, rounding);
  const everywhere = (n: number) => new Float64Array(request.layers * request.kvHeads).fill(n);
  const out = new Map([...fixed].map(([zone, n]) => [zone, everywhere(n)]));
  const spent = [...fixed.values()].reduce((a, b) => a + b, request.reserved);
  if (sharing[0] && left !== undefined)
    out.set(sharing[0], Number.isFinite(left) ? spread(left, spent) : everywhere(left));
  return out;
}

/** The amounts in words. */
export function amountWords({ keep, entries, bytes, ...named }: NamedAmounts): string {
  const share = (n: number) => `${Math.round(n * 1000) / 10} %`;
  return [
    ...(keep !== undefined ? [share(keep)] : []),
    ...(entries !== undefined ? [`${entries} entries`] : []),
    ...(bytes !== undefined ? [`${bytes} bytes`] : []),
    ...Object.entries(named).flatMap(([zone, n]) =>
      n === undefined
        ? []
        : [`${zone} ${typeof n !== 'number' ? `${share(n.ofBudget)} of it` : n >= 1 || n === 0 ? n : share(n)}`],
    ),
  ].join(', ');
}

/** Whole numbers near the given ones with the given sum: the largest remainders are rounded up, the first of equals. */
export function largestRemainder(wanted: readonly number[], sum: number): number[] {
  const out = wanted.map(Math.floor);
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[b]! - out[b]! - (wanted[a]! - out[a]!) || a - b);
  let missing = Math.round(sum - out.reduce((a, b) => a + b, 0));
  for (const i of order) if (missing-- > 0) out[i]!++;
  return out;
}
