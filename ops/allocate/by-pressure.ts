/** By pressure: the fuller the memory, the larger the share that must go.
 *
 *  CRITIC (tier-1 system critic-porag): of n entries min(max(least, (1 - r) n), n - 1) stay, r = ratio + gain * pressure. */
import { neutral } from '../neutral.ts';
import type { Allocation } from './allocation.ts';

export function byPressure({ ratio = 0.3, gain = 0, most = 0.9, least = 16 } = {}): Allocation {
  if (!(ratio >= 0 && ratio < 1))
    throw new RangeError(`by-pressure: ratio is ${ratio}; give the share that goes, below 1`);
  return {
    ...neutral('by-pressure', 'allocate', `${Math.round(100 * ratio)} % go, more under pressure`),
    neutral: false,
    params: { ratio, gain, most, least },
    reads: 'held',
    allocate: ({ layers, kvHeads, zones, held }) => {
      const out = new Float64Array(layers * kvHeads).fill(Number.POSITIVE_INFINITY);
      if (held)
        for (let i = 0; i < out.length; i++) {
          const share = Math.min(ratio + gain * held.pressure, most);
          const n = held.entries[i]!;
          out[i] = Math.max(0, Math.min(Math.max(least, Math.floor((1 - share) * n)), n - 1));
        }
      return new Map(zones.slice(0, 1).map((zone) => [zone, out]));
    },
  };
}
