/** By head class: retrieval heads, found by a fit, may hold everything; the others only what is named for them.
 *
 *  Tang et al. 2024, "RazorAttention", arXiv:2407.15891; Xiao et al. 2024, "DuoAttention", arXiv:2410.10819. With a total budget
 *  the streaming zone without an amount gets what the prompt of the retrieval heads leaves of it. */
import { type Fit, fittedTensor } from '../fit/fit.ts';
import { neutral } from '../neutral.ts';
import type { Allocation, AllocationRequest } from './allocation.ts';
import { type Amount, type Budget, entriesOf, type LargerOf } from './amount.ts';
import { largestRemainder, totalEntries } from './amounts.ts';

type Amounts = Readonly<Record<string, Amount | LargerOf | undefined>>;

/** `fit` gives `retrieval` [L, Hkv]: 1 for heads that hold the amounts of `retrieval`, 0 for those that hold `streaming`.
 *  Zones that a class does not name have no limit for it. */
export function byHeadClass(
  fit: Fit,
  { retrieval, streaming }: { retrieval: Amounts; streaming: Amounts },
  budget: Budget = {},
): Allocation {
  return {
    ...neutral('by-head-class', 'allocate', `by head class (${fit.name})`),
    neutral: false,
    fits: [fit],
    allocate: (request) => {
      const classes = fittedTensor('by-head-class', request.fitted, fit, 'retrieval').data;
      const rest = restOfBudget(classes, streaming, budget, request);
      const amount = (zone: string, head: number): number => {
        const named = classes[head] === 1 ? retrieval : streaming;
        if (!(zone in named)) return Number.POSITIVE_INFINITY;
        const given = named[zone];
        return given === undefined
          ? (rest?.[head] ?? Number.POSITIVE_INFINITY)
          : entriesOf(given, request.promptLength);
      };
      const zones = [...new Set([...Object.keys(retrieval), ...Object.keys(streaming)])];
      return new Map(zones.map((zone) => [zone, Float64Array.from(classes, (_, head) => amount(zone, head))]));
    },
  };
}

/** The usual classes: retrieval heads hold everything in `body`, streaming heads `sinks` and `recent`. */
export const sinksAndWindow = (sinks: Amount, recent: Amount | LargerOf | undefined) => ({
  retrieval: { sinks: 0, recent: 0 },
  streaming: { sinks, recent, body: 0 },
});

/** For each streaming head what is left of a total budget behind its named zones; undefined without a budget. */
function restOfBudget(
  classes: Float64Array,
  streaming: Amounts,
  budget: Budget,
  request: AllocationRequest,
): number[] | undefined {
  const total = totalEntries(budget, request);
  if (total === undefined || total === Number.POSITIVE_INFINITY) return undefined;
  const whole = classes.filter((c) => c === 1).length;
  const others = classes.length - whole;
  const named = Object.values(streaming).reduce<number>(
    (sum, n) => sum + (n === undefined ? 0 : entriesOf(n, request.promptLength)),
    0,
  );
  const left = total * classes.length - whole * request.promptLength - others * named;
  if (left < others)
    throw new RangeError(
      `by-head-class: the budget is ${total} entries a head, but ${whole} of ${classes.length} heads hold the whole prompt of ${request.promptLength}; raise the budget or name fewer retrieval heads`,
    );
  const shares = largestRemainder(new Array(others).fill(left / others), left);
  return Array.from(classes, (c) => (c === 1 ? Number.POSITIVE_INFINITY : shares.pop()!));
}
