/** What an operator asks of the engine, and what it may know about now.
 *
 *  Letters say which rows an input holds. With Q they are the new queries of a step: `attention` and `products` [Hq, Q, T],
 *  `queries` [Hq, Q, D] and `keys`, `values` [Hkv, Q, D] before rotary, `outputs` [Hq, Q, D], `hidden` [Q, X]. With T they
 *  are all entries that are held: `keys`, `values` [Hkv, T, D], `position` [Hkv, T], `nll` [Hkv, T] (minus ln of the
 *  probability that the model gave the token before it saw it), `turnsAgo` [Hkv, T] (turns that ended since). Where no
 *  attention is asked for they are read back after the step, and `queries` are the last ones seen, as many as `rows` says. */
import type { Sizes } from './graph/builder.ts';
import type { AnyDefinition } from './operator.ts';

/** Rows of queries that an operator wants to see. The planner keeps the last `last` prompt rows in one chunk. */
export interface Rows {
  last?: number;
  /** How many of them are of guests, tokens that a pass adds behind the prompt and that leave afterwards, and of the prompt
   *  token before them, which is read again. */
  guests?: number;
}
export type Need =
  | { of: 'attention' | 'products' | 'outputs' | 'hidden'; rows?: Rows }
  | { of: 'queries'; rotated?: boolean; rows?: Rows }
  | { of: 'keys' | 'values'; rotated?: boolean }
  | { of: 'logits' | 'text' | 'ledger' };

/** Facts about now that every operator may read; plain numbers, so a test can invent them. */
export interface Moment {
  step: number;
  /** Tokens fed so far. */
  seen: number;
  promptLength: number;
  layer: number;
  seed: number;
  /** Sizes of the letters that inputs need not show: Hq, Hkv, G, D. */
  sizes: Sizes;
  /** Radians per position of each channel pair (2i, 2i + 1); those of base 10,000 unless said. */
  frequencies?: ArrayLike<number>;
}

/** Where a score is computed: inside the attention of every step, or in the keep pass from the entries that are held. */
export function scoredIn({ inputs }: Pick<AnyDefinition, 'inputs'>): 'attention' | 'keep pass' {
  const all = Object.values(inputs);
  if (all.some(({ dims }) => dims.includes('T') && dims.includes('Q'))) return 'attention';
  return all.some(({ dims }) => dims.includes('T')) ? 'keep pass' : 'attention';
}
