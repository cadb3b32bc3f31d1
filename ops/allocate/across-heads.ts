/** Across heads: the heads of a layer share one budget, and each gets as many entries as it has among the best scores.
 *
 *  Feng et al. 2024, "Ada-KV", arXiv:2407.11550. A share `floor` of the equal amount is certain for each head. */
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';
import { amountWords, type NamedAmounts, spreadRest } from './amounts.ts';

export function acrossHeads(amounts: NamedAmounts, { floor = 0.2 }: { floor?: number } = {}): Allocation {
  if (!(floor >= 0 && floor <= 1)) throw new RangeError(`across-heads: floor is ${floor}; give a share from 0 to 1`);
  return {
    ...neutral('across-heads', 'allocate', `by score across heads: ${amountWords(amounts)}`),
    neutral: false,
    params: { floor },
    reads: 'scores',
    allocate: (request) =>
      spreadRest('across-heads', amounts, request, (left) => {
        const { layers, kvHeads, scores } = request;
        const perHead = new Float64Array(layers * kvHeads).fill(left);
        for (let l = 0; scores && l < layers; l++) {
          const lists = Array.from({ length: kvHeads }, (_, h) => scores(l, h));
          perHead.set(shared(lists, left, floor), l * kvHeads);
        }
        return perHead;
      }),
  };
}

/** How many of `amount` times the number of heads each head gets. */
export function shared(scores: readonly ArrayLike<number>[], amount: number, floor: number): number[] {
  const certain = Math.floor(amount * floor);
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
