/** What an operator asks of the engine, and what it may know about now. */
import type { Sizes } from './graph/builder.ts';

/** Rows of queries that an operator wants to see. The planner keeps the last `last` prompt rows in one chunk. */
export interface Rows {
  last?: number;
}
export type Need =
  | { of: 'attention' | 'products' | 'queries' | 'outputs' | 'hidden'; rows?: Rows }
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
}
