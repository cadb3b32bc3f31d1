/** What an allocate slot gives: for each zone how many entries each (layer, kvHead) may hold. */
import type { Fitted } from '../fit/fit.ts';
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
  /** Scores of the entries that no rule before the last zone takes; only for allocations with `reads: 'scores'`. */
  scores?: (layer: number, kvHead: number) => Float32Array;
  /** Tokens fed so far, and bytes held as a share of the full cache at the longest text; only for allocations with `reads`. */
  now?: { seen: number; pressure: number };
  /** What the fits of the method gave. */
  fitted?: Fitted;
}
/** zone -> entries for each head, index layer * kvHeads + kvHead. A zone that is not named has no limit. */
export type Allocated = ReadonlyMap<string, Float64Array>;

export interface Allocation extends Bound {
  allocate(request: AllocationRequest): Allocated;
  /** Asked again before every selection, with these parts of the request; otherwise once, at the first prompt. */
  readonly reads?: 'scores' | 'pressure';
  /** A head is left alone until it holds this many entries more than its amounts; then it is cut down to them. */
  readonly burst?: number;
  /** What it gave at the end of the prompt holds from then on. */
  readonly settles?: boolean;
}
