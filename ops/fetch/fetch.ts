/** What a fetch slot gives: which rows of a zone are read for the new queries. */
import type { AllocationRequest } from '../allocate/allocation.ts';
import type { Bound } from '../operator.ts';

export interface Fetch extends Bound {
  /** Scores the pages of the zone from their summaries and the queries; everything is read where it is missing. */
  readonly by?: Bound;
  /** Makes one query of the new ones, for `by`. */
  readonly query?: Bound;
  /** Most pages of each head. */
  readonly pages: number;
  /** Most entries that a head reads of all zones, as the fetch is asked when the first prompt comes. */
  entries(request: AllocationRequest): number;
  /** Layers before this one read everything. */
  readonly fromLayer: number;
  /** The prompt reads everything. */
  readonly answerOnly: boolean;
}
