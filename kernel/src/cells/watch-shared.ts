/** What the main thread of the child and its watch thread share. */

export interface Shared {
  /** Number of the newest interrupt that the main thread has seen, and how many loops the watch thread has ended. */
  counters: Int32Array;
  /** URL prefixes of code that must not be ended in the middle. */
  guarded: string[];
}
/** Places in `counters`. */
export const seenAt = 0;
export const endedAt = 1;
