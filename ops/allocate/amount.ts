/** How much a zone may hold, as a declaration says it: 0.2 is a share of the prompt, 64 is a number of entries. */
import { roundHalfEven } from '../tensor.ts';

export type Amount = number;

/** Entries of an amount for a prompt of this length. A share is at least one entry, since a head without entries cannot attend. */
export function entriesOf(amount: Amount, promptLength: number): number {
  if (amount === Number.POSITIVE_INFINITY) return amount;
  if (amount >= 1) return Math.floor(amount);
  return amount === 0 ? 0 : Math.max(1, promptLength - roundHalfEven(promptLength * (1 - amount)));
}

/** A total budget: a share of the prompt, a number of entries for each head, or bytes for the whole cache. */
export type Budget = { keep?: number; entries?: number; bytes?: number };

/** Refuses a budget that cannot be meant, naming the method. */
export function checkBudget(owner: string, { keep, entries, bytes }: Budget): void {
  if ([keep, entries, bytes].filter((v) => v !== undefined).length > 1)
    throw new Error(`${owner}: keep, entries and bytes say the same thing; give one of them`);
  if (keep !== undefined && !(keep > 0 && keep <= 1))
    throw new RangeError(`${owner}: keep is ${keep}; give a share above 0 and up to 1`);
  if (entries !== undefined && !(entries >= 1))
    throw new RangeError(`${owner}: entries is ${entries}; give at least 1 for each head`);
  if (bytes !== undefined && !(bytes > 0)) throw new RangeError(`${owner}: bytes is ${bytes}; give more than 0`);
}
