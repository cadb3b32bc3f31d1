/** An attend slot that mixes values tile by tile reads keys and values slot by slot. */
import type { Method } from '../method.ts';

/** Throws where keys and values would lie in different slots. */
export function refuseTilesApart({ name, zones, encodingOf, declaration: { attend, select } }: Method): void {
  if (!attend.mix) return;
  if (select.keys !== select.values)
    throw new Error(
      `${name}: attend ${attend.title} reads keys and values slot by slot, but select keeps them in zones of their own; use one list of zones, or attend: rows()`,
    );
  const odd = zones.find((zone) => encodingOf(zone, 'keys').grain !== encodingOf(zone, 'values').grain);
  if (odd)
    throw new Error(
      `${name}: attend ${attend.title} reads keys and values slot by slot, but encode writes them in batches of different length in zone ${odd}; use one grain, or attend: rows()`,
    );
}
