/** Amounts that a run may change of its method while it writes: what zones may hold. All else says how rows are scored, stored
 *  or read, and holds for a run as a whole. */
import type { About, Declaration } from './method.ts';

/** Options of a method as a cell or a panel names them. */
export type NamedOptions = Readonly<Record<string, number | string | boolean | undefined>>;

const budgets: readonly string[] = ['keep', 'entries', 'bytes'];

/** Names of the options that may change: the budgets, what a total budget takes the place of, and further `amounts` of the
 *  declaration. None where no keep line runs while text is written, where a pass or a fetch reads the budget too, and where
 *  heads were told apart by a fit for these amounts. */
export function changeableOptions<O>(
  { when, allocate, passes, fetch }: Declaration,
  { total, amounts = [] }: About<O>,
): readonly string[] {
  const acts = [when].flat().some((w) => typeof w === 'object' || (w !== 'prompt' && w !== 'chunk'));
  const readsAll = 'operator' in fetch && fetch.neutral === true;
  if (!acts || !total || allocate.neutral || allocate.fits?.length || passes?.before || !readsAll) return [];
  return [...new Set([...budgets, ...total, ...amounts])];
}

/** The options of a method with some changed. A budget takes the place of one of another kind. Throws where one may not change. */
export function withChanges(name: string, given: object, changes: NamedOptions, changeable: readonly string[]): object {
  const fixed = Object.keys(changes).find((option) => !changeable.includes(option));
  if (fixed !== undefined)
    throw new Error(
      `${name}: ${fixed} cannot change while a run writes; ${changeable.length ? `change ${changeable.join(', ')}, or` : 'none of its options can:'} start another run`,
    );
  const newBudget = budgets.some((option) => changes[option] !== undefined);
  const stay = Object.entries(given).filter(([option]) => !(newBudget && budgets.includes(option)));
  return { ...Object.fromEntries(stay), ...changes };
}
