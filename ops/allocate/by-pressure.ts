/** By pressure: the fuller the memory, the larger the share that must go.
 *
 *  CRITIC (tier-1 system critic-porag): of n entries min(max(least, (1 - r) n), n - 1) stay, r = ratio + gain * pressure.
 *  Departures: n counts the tokens seen, since a share of what is left, taken in every step, would soon leave only `least`;
 *  with a total budget the amount is that and does not move. */
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';
import { type Budget, budgetOf } from './amount.ts';
import { uniform } from './uniform.ts';

export function byPressure(budget: Budget = {}, { ratio = 0.3, gain = 0, most = 0.9, least = 16 } = {}): Allocation {
  if (!(ratio >= 0 && ratio < 1))
    throw new RangeError(`by-pressure: ratio is ${ratio}; give the share that goes, below 1`);
  const total = budgetOf(budget);
  if (Object.values(total).some((n) => n !== undefined)) return uniform(total);
  return {
    ...neutral('by-pressure', 'allocate', `${Math.round(100 * ratio)} % go${gain ? ', more under pressure' : ''}`),
    neutral: false,
    params: { ratio, gain, most, least },
    reads: 'pressure',
    allocate: ({ layers, kvHeads, zones, now }) => {
      const share = Math.min(ratio + gain * (now?.pressure ?? 0), most);
      const stay = (n: number) => Math.max(0, Math.min(Math.max(least, Math.floor((1 - share) * n)), n - 1));
      const amount = now ? stay(now.seen) : Number.POSITIVE_INFINITY;
      return new Map(zones.slice(0, 1).map((zone) => [zone, new Float64Array(layers * kvHeads).fill(amount)]));
    },
  };
}
