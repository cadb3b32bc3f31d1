/** Tensors that many scores share: a number for each entry, and what is held of the entries. */
import type { Need } from '../need.ts';
import { f32 } from '../operator.ts';

/** A number for each entry that starts at 0 and adds up when entries merge. */
export const sumColumn = f32(['Hkv', 'T'], { values: 'shares', start: 0, merge: 'sum', pad: 0 });
/** A number for each entry that starts at 0; a merged entry has the larger one. */
export const maxColumn = f32(['Hkv', 'T'], { values: 'shares', start: 0, merge: 'max', pad: 0 });
/** Keys or values of all entries, in any order or in time order. */
export const held = f32(['Hkv', 'T', 'D'], { pad: 0 });
export const heldInOrder = f32(['Hkv', 'T', 'D'], { pad: 0, ordered: true });

/** What a score of the prompt reads that looks back from its last queries, once, in one layer. */
export const lookBack = { queries: f32(['Hq', 'Q', 'D']), keys: heldInOrder };
export const lastQueries = (last: number): readonly Need[] => [
  { of: 'queries', rotated: true, rows: { last } },
  { of: 'keys', rotated: true },
];
