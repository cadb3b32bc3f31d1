/** Segmentations: which tokens belong together. */
import type { Bound } from '../operator.ts';

/** A run of tokens, from `from` up to `to`. Segments may lie inside others: tasks inside tasks. */
export interface Segment {
  from: number;
  to: number;
  /** Its end has not been seen yet. */
  open: boolean;
  /** Number of the segment around it, -1 for none. */
  within: number;
  /** It says what the segment around it came to. */
  conclusion: boolean;
}
export interface Segmentation extends Bound {
  /** The segments of a text, given as one piece of text for each token, in the order in which they begin. */
  cut(pieces: readonly string[]): Segment[];
}
