/** By head class: retrieval heads, found by a fit, may hold everything; the others only what is named for them.
 *
 *  Tang et al. 2024, "RazorAttention", arXiv:2407.15891; Xiao et al. 2024, "DuoAttention", arXiv:2410.10819. */
import { type Fit, fittedTensor } from '../fit/fit.ts';
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';
import { type Amount, entriesOf } from './amount.ts';

type Amounts = Readonly<Record<string, Amount>>;

/** `fit` gives `retrieval` [L, Hkv]: 1 for heads that hold the amounts of `retrieval`, 0 for those that hold `streaming`.
 *  Zones that a class does not name have no limit for it. */
export function byHeadClass(
  fit: Fit,
  { retrieval, streaming }: { retrieval: Amounts; streaming: Amounts },
): Allocation {
  return {
    ...neutral('by-head-class', 'allocate', `by head class (${fit.name})`),
    neutral: false,
    fits: [fit],
    allocate: ({ layers, kvHeads, promptLength, fitted }) => {
      const zones = [...new Set([...Object.keys(retrieval), ...Object.keys(streaming)])];
      const classes = fittedTensor('by-head-class', fitted, fit, 'retrieval');
      const amount = (zone: string, i: number): number => {
        const named = (classes.data[i] === 1 ? retrieval : streaming)[zone];
        return named === undefined ? Number.POSITIVE_INFINITY : entriesOf(named, promptLength);
      };
      return new Map(
        zones.map((zone) => [zone, Float64Array.from({ length: layers * kvHeads }, (_, i) => amount(zone, i))]),
      );
    },
  };
}
