/** The new rows of a step and the windows that its queries must respect. */
import type { Fitted, Moment } from '@kvlab/ops';

export interface Queries {
  /** Absolute positions [Q]. */
  position: Int32Array;
  /** [Hkv, G*Q, D], [Hkv, Q, D], [Hkv, Q, D], not rotated. */
  queries: Float32Array;
  keys: Float32Array;
  values: Float32Array;
  /** Entries that position rules alone keep: a query sees positions below `first` and its last `last` predecessors. */
  windows?: { first: number; last: number };
  /** For each KV head 1 for the new tokens and the held entries that are seen outside the windows too. */
  passed?: { fresh: readonly Uint8Array[]; held: readonly Uint8Array[] };
  /** What fits gave. */
  fitted?: Fitted;
  /** Normed input of the projection [Q, X], where a score reads it. */
  hidden?: Float32Array;
  /** States of scores that belong to no entry, of this layer. */
  registers?: ReadonlyMap<string, Float32Array>;
  /** Facts for inputs that are made from positions and the moment. */
  now?: Omit<Moment, 'sizes'>;
}
