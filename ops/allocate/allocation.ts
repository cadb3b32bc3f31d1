/** What an allocate slot gives: for each zone how many entries each (layer, kvHead) may hold. */
import type { Bound } from '../operator.ts';

export interface AllocationRequest {
  layers: number;
  kvHeads: number;
  /** Length of the first prompt: shares are shares of it, frozen. */
  promptLength: number;
  /** Bytes of one exact entry of one head, keys and values. */
  bytesPerEntry: number;
  /** Zones whose rule takes its amount from here, in the order written. */
  zones: readonly string[];
  /** Entries that rules with amounts of their own hold in each head. */
  reserved: number;
}
/** zone -> entries for each head, index layer * kvHeads + kvHead. A zone that is not named has no limit. */
export type Allocated = ReadonlyMap<string, Float64Array>;

export interface Allocation extends Bound {
  allocate(request: AllocationRequest): Allocated;
}
