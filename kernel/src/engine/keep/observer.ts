/** What a recorder is told about changes of the cache. Watching changes nothing. */
import type { Part } from '@kvlab/ops';
import type { EventKind } from '../record/frame.ts';

export interface CacheEvent {
  kind: EventKind;
  layer: number;
  kvHead: number;
  position: number;
  part: Part | 'both';
  /** Indices of zones; 255 = not in the cache. */
  from: number;
  to: number;
  /** Position of the entry that took it in, or -1. */
  into: number;
  /** Factor of its rows in the mixed rows of that entry. */
  weight?: number;
  /** The score that decided, NaN where none did, and its rank (0 = highest), -1 without a score. */
  score: number;
  rank: number;
}
/** Rows that were written in fewer bits: what they were, and what reading gives. */
export interface WrittenRows {
  layer: number;
  kvHead: number;
  part: Part;
  bits: number;
  positions: Int32Array;
  /** [n, D] each. */
  exact: Float32Array;
  restored: Float32Array;
}
export interface Observer {
  event(event: CacheEvent): void;
  written(rows: WrittenRows): void;
  /** A row that stays has taken in others. */
  merged?(row: { layer: number; kvHead: number; part: Part; position: number; row: Float32Array }): void;
}
