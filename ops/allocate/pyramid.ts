/** Pyramid: early layers, which look everywhere, may hold more than late ones, whose attention has settled.
 *
 *  Cai et al. 2024, "PyramidKV", arXiv:2406.02069, and NVIDIA kvpress: the amount falls evenly from the first layer to the
 *  last, from 2n - n/steepness to n/steepness around the mean n, clipped so that no layer asks for more than the prompt.
 *  Departure: rounded by largest remainder, so that the sum is the budget (kvpress rounds each layer by itself). */
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';
import { amountWords, largestRemainder, type NamedAmounts, spreadRest } from './amounts.ts';

/** The last zone gets the falling amounts; zones that are named get theirs in every layer, out of the same total. */
export function pyramid(amounts: NamedAmounts, { steepness = 20 }: { steepness?: number } = {}): Allocation {
  return {
    ...neutral('pyramid', 'allocate', `falling from layer to layer: ${amountWords(amounts)}`),
    neutral: false,
    params: { steepness },
    allocate: (request) =>
      spreadRest('pyramid', amounts, request, (left, spent) => {
        const { layers, kvHeads, promptLength } = request;
        const perLayer = fallingAmounts(left + spent, spent, layers, promptLength, steepness);
        return Float64Array.from({ length: layers * kvHeads }, (_, i) => perLayer[Math.floor(i / kvHeads)]! - spent);
      }),
  };
}

/** Entries of each layer around the mean `n`; every layer holds at least the window. */
export function fallingAmounts(n: number, window: number, layers: number, length: number, steepness: number): number[] {
  if (layers < 2) return new Array(layers).fill(n);
  let [least, most] = [n / steepness, 2 * n - n / steepness];
  if (most >= length - window) [least, most] = [2 * n - (length - window), length - window];
  // The shape does not fit a small or a large budget: equal amounts, as kvpress falls back to.
  if (!(length >= most && most >= least && least >= window)) return new Array(layers).fill(n);
  const wanted = Array.from({ length: layers }, (_, l) => most - (l * (most - least)) / (layers - 1));
  return largestRemainder(wanted, n * layers);
}
