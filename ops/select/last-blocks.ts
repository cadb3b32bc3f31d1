/** The newest entries in whole blocks: a block leaves when the zone holds more than its amount, so that what lies behind is
 *  made of whole blocks.
 *
 *  Xiao et al. 2024, "InfLLM", arXiv:2402.04617: tokens leave the local window a block at a time. */
import type { Rule } from './rule.ts';

/** Blocks of `length` positions. The zone holds between its amount and a block less. */
export function lastBlocks(length: number): Rule {
  if (!(Number.isInteger(length) && length >= 1))
    throw new RangeError(`select last blocks: a block is ${length} entries; give a whole number from 1`);
  const name = `last in blocks of ${length}`;
  return {
    name,
    title: name,
    byPosition: false,
    newest: true,
    needsScore: false,
    choose: ({ count, open, position }, amount, taken) => {
      let newest = -1;
      for (let i = 0; i < count; i++) newest = Math.max(newest, position[i]!);
      const from = Math.ceil(Math.max(0, newest + 1 - amount) / length) * length;
      for (let i = 0; i < count; i++) if (open[i] && position[i]! >= from) taken[i] = 1;
    },
  };
}
