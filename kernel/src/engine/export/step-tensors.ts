/** What the parts of an exported step share. */
import type { Value } from '@kvlab/ops';

export interface StepTensors {
  /** [Hq, Q, D]. */
  queries: Value;
  /** [Hkv, T, D]. */
  keys: Value;
  values: Value;
  /** Positions [1, T] as f32, and tokens offered so far, i64 [1]. */
  position: Value;
  seen: Value;
  /** [Hq, Q, T]. */
  attention: Value;
  products: Value;
  /** [Hq, Q, D]. */
  outputs: Value;
}
/** Zones of one part before and after, f32 numbers of `method.zones` [Hkv, T]; 255 has left. */
export interface StepZones {
  before: Value;
  after: Value;
}
