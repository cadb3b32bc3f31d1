/** What a place slot gives: where the rows of a zone live, and what is kept at hand of each of its pages. */
import type { Bound } from '../operator.ts';
import type { Pager } from './pager.ts';

export interface Place extends Bound {
  /** Where the rows of the zone live. Rows on the host are copied to the device before they are read. */
  readonly tier: 'device' | 'host';
  /** Computes once, when a page closes, what a fetch later looks at instead of its rows; its results stay on the device. */
  readonly summary?: Bound;
  /** Pages of each head whose copies stay on the device after they were read; the one read longest ago goes first. */
  readonly pool: number;
  /** Bytes of rows that the host may hold, for the whole cache. */
  readonly hostBytes: number;
  /** What the host has no room for goes to a file; otherwise it is refused. */
  readonly disk: boolean;
  /** Hands out memory in pages. */
  readonly pager?: Pager;
}
