/** How much a zone may hold, as a declaration says it: 0.2 is a share of the prompt, 64 is a number of entries. */
import { roundHalfEven } from '../tensor.ts';

export type Amount = number;
/** A number of entries, or a share of the prompt where that is more. */
export interface LargerOf {
  readonly least: number;
  readonly share: number;
}
/** Undefined where no number of entries is given: then a total budget decides. */
export const largerOf = (least: number | undefined, share: number): LargerOf | undefined =>
  least === undefined ? undefined : { least, share };

/** How a share becomes entries: what leaves is rounded to the nearest number, or what stays is cut down to a whole one, as
 *  kvpress does, in floating point from the share that leaves (0.1 of 1,000 is 99). */
export type Rounding = 'nearest' | 'down';

/** Entries of an amount for a prompt of this length. A share is at least one entry, since a head without entries cannot attend. */
export function entriesOf(amount: Amount | LargerOf, promptLength: number, rounding: Rounding = 'nearest'): number {
  if (typeof amount !== 'number')
    return Math.max(entriesOf(amount.least, promptLength, rounding), entriesOf(amount.share, promptLength, rounding));
  if (amount === Number.POSITIVE_INFINITY) return amount;
  if (amount >= 1) return Math.floor(amount);
  if (amount === 0) return 0;
  const leaving = 1 - amount;
  const staying =
    rounding === 'down'
      ? Math.floor(promptLength * (1 - leaving))
      : promptLength - roundHalfEven(promptLength * leaving);
  return Math.max(1, staying);
}

/** A total budget: a share of the prompt, a number of entries for each head, or bytes for the whole cache. */
export type Budget = { keep?: number; entries?: number; bytes?: number };

/** The budget among a method's options. */
export const budgetOf = ({ keep, entries, bytes }: Budget): Budget => ({ keep, entries, bytes });

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
