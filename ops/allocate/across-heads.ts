/** Across heads: the heads of a layer share one budget, and each gets as many entries as it has among the best scores.
 *
 *  Feng et al. 2024, "Ada-KV", arXiv:2407.11550. A share `floor` of the equal amount is certain for each head: of what
 *  the last zone gets, or, as in NVIDIA kvpress, of all that the head holds, its best scores first and the window before them. */
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';
import type { Rounding } from './amount.ts';
import { amountWords, type NamedAmounts, spreadRest } from './amounts.ts';

/** Of what the certain share is: of the amount of the last zone, or of all that a head holds. */
export type FloorOf = 'zone' | 'head';

export function acrossHeads(
  amounts: NamedAmounts,
  { floor = 0.2, floorOf = 'zone', rounding }: { floor?: number; floorOf?: FloorOf; rounding?: Rounding } = {},
): Allocation {
  if (!(floor >= 0 && floor <= 1)) throw new RangeError(`across-heads: floor is ${floor}; give a share from 0 to 1`);
  return {
    ...neutral('across-heads', 'allocate', `by score across heads: ${amountWords(amounts)}`),
    neutral: false,
    params: { floor },
    reads: 'scores',
    allocate: (request) =>
      spreadRest(
        'across-heads',
        amounts,
        request,
        (left, spent) => {
          const { layers, kvHeads, scores } = request;
          const perHead = new Float64Array(layers * kvHeads).fill(left);
          const certain =
            floorOf === 'zone' ? Math.floor(left * floor) : Math.max(0, Math.floor((left + spent) * floor) - spent);
          for (let l = 0; scores && l < layers; l++) {
            const lists = Array.from({ length: kvHeads }, (_, h) => scores(l, h));
            perHead.set(shared(lists, left, certain), l * kvHeads);
          }
          return perHead;
        },
        rounding,
      ),
  };
}

/** How many of `amount` times the number of heads each head gets; `certain` of them whatever the scores. */
export function shared(scores: readonly ArrayLike<number>[], amount: number, certain: number): number[] {
  const taken = scores.map((list) => Math.min(certain, list.length));
  const rest = scores.flatMap((list, head) =>
    Array.from(list)
      .sort((a, b) => b - a)
      .slice(certain)
      .map((score) => ({ head, score })),
  );
  rest.sort((a, b) => b.score - a.score || a.head - b.head);
  const left = amount * scores.length - taken.reduce((a, b) => a + b, 0);
  for (const { head } of rest.slice(0, left)) taken[head]!++;
  return taken;
}
