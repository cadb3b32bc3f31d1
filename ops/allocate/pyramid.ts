/** Pyramid: early layers, which look everywhere, may hold more than late ones, whose attention has settled.
 *
 *  Cai et al. 2024, "PyramidKV", arXiv:2406.02069, and NVIDIA kvpress: the amount falls evenly from the first layer to the
 *  last, from 2n - n/steepness to n/steepness around the mean n, clipped so that no layer asks for more than the prompt.
 *  Three ways to make whole numbers of it: by largest remainder, so that the sum is the budget; each layer by itself, as in
 *  kvpress; or by a whole step from layer to layer behind a window that is added to it, as in KVCache-Factory, the authors'
 *  code, which spends more than the budget. */
import { neutral } from '../neutral.ts';
import { roundHalfEven } from '../tensor.ts';
import type { Allocation } from './allocation.ts';
import { amountWords, largestRemainder, type NamedAmounts, spreadRest } from './amounts.ts';

export type Steps = 'sum' | 'each layer' | 'whole step';

/** The last zone gets the falling amounts; zones that are named get theirs in every layer, out of the same total. */
export function pyramid(
  amounts: NamedAmounts,
  { steepness = 20, steps = 'sum' }: { steepness?: number; steps?: Steps } = {},
): Allocation {
  if (!(steepness >= 1)) throw new RangeError(`pyramid: steepness is ${steepness}; give 1 (no fall) or more`);
  return {
    ...neutral('pyramid', 'allocate', `falling from layer to layer: ${amountWords(amounts)}`),
    neutral: false,
    params: { steepness },
    allocate: (request) =>
      spreadRest('pyramid', amounts, request, (left, spent) => {
        const { layers, kvHeads, promptLength } = request;
        // kvpress goes on from the share itself, not from a whole number of entries.
        const exact = steps === 'each layer' && amounts.keep !== undefined;
        const mean = exact ? promptLength * (1 - (1 - (amounts.keep as number))) : left + spent;
        const perLayer = fallingAmounts(mean, spent, layers, promptLength, steepness, steps);
        return Float64Array.from({ length: layers * kvHeads }, (_, i) => perLayer[Math.floor(i / kvHeads)]! - spent);
      }),
  };
}

/** Entries of each layer around the mean `n`; every layer holds at least the window. */
export function fallingAmounts(
  n: number,
  window: number,
  layers: number,
  length: number,
  steepness: number,
  steps: Steps = 'sum',
): number[] {
  if (steps === 'whole step') return wholeSteps(n - window, layers, length - window, steepness).map((x) => x + window);
  const equal = steps === 'sum' ? n : Math.max(1, roundHalfEven(n));
  if (layers < 2) return new Array(layers).fill(equal);
  let [least, most] = [n / steepness, 2 * n - n / steepness];
  if (most >= length - window) [least, most] = [2 * n - (length - window), length - window];
  // The shape does not fit a small or a large budget: kvpress falls back to equal amounts, we to a fall behind the window.
  if (!(length >= most && most >= least && least >= window))
    return steps === 'sum'
      ? behindWindow(n - window, layers, length - window, steepness).map((x) => x + window)
      : new Array(layers).fill(equal);
  const wanted = Array.from({ length: layers }, (_, l) => most - (l * (most - least)) / (layers - 1));
  return steps === 'sum' ? largestRemainder(wanted, n * layers) : wanted.map(roundHalfEven);
}

/** Entries behind the window, around the mean `n`, of a prompt that is `length` long without it; their sum is the budget. */
function behindWindow(n: number, layers: number, length: number, steepness: number): number[] {
  if (n <= 0 || n >= length || layers < 2) return new Array(layers).fill(n);
  const most = Math.min(2 * n - n / steepness, length);
  const wanted = Array.from({ length: layers }, (_, l) => most - (l * 2 * (most - n)) / (layers - 1));
  return largestRemainder(wanted, n * layers);
}

/** Entries behind the window, around the mean `n`, of a prompt that is `length` long without its window. */
function wholeSteps(n: number, layers: number, length: number, steepness: number): number[] {
  // A prompt of less than twice the mean gets equal amounts.
  if (length < 2 * n || layers < 2) return new Array(layers).fill(n);
  let least = Math.floor(n / steepness);
  let most = 2 * n - least;
  if (most >= length) [least, most] = [2 * n - length, length];
  const step = Math.floor((most - least) / (layers - 1));
  return Array.from({ length: layers }, (_, l) => most - l * step);
}
