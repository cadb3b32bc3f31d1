/** What a place slot gives: where the rows of a zone live, and what is kept at hand of each of its pages. */
import { neutral, oneTier } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import type { Pager } from './pager.ts';

export interface Place extends Bound {
  /** Where the rows of the zone live. Rows on the host are copied to the device before they are read. */
  readonly tier: 'device' | 'host';
  /** Computes once, when a page closes, what a fetch later looks at instead of its rows; its results stay on the device. */
  readonly summary?: Bound;
  /** Pages of each head whose copies stay on the device after they were read; the one read longest ago goes first. */
  readonly pool: number;
  /** Bytes of rows that the host may hold, for the whole cache. */
  readonly hostBytes: number;
  /** What the host has no room for goes to a file; otherwise it is refused. */
  readonly disk: boolean;
  /** Hands out memory in pages. */
  readonly pager?: Pager;
}

/** Rows stay on the device; pages have summaries, by which a fetch chooses. */
export const onDevice = ({ summary }: { summary: Bound }): Place => ({
  ...oneTier,
  ...neutral('on-device', 'place', `on the device, ${summary.title} of each page`),
  neutral: false,
  summary,
});

export interface HostOptions {
  summary: Bound;
  /** Pages that stay on the device after they were read. */
  pool: number;
  hostBytes?: number;
  disk?: boolean;
}

/** Rows live on the host; pages that are read are copied to the device, where a pool of them stays. */
export function onHost({ summary, pool, hostBytes = Number.POSITIVE_INFINITY, disk = false }: HostOptions): Place {
  if (!(Number.isInteger(pool) && pool >= 0))
    throw new RangeError(`place on host: pool is ${pool} pages; give a whole number from 0`);
  if (!(hostBytes > 0))
    throw new RangeError(`place on host: hostBytes is ${hostBytes}; give more than 0, or leave it out for no limit`);
  const below = disk ? ', the rest on disk' : '';
  const limit = Number.isFinite(hostBytes) ? ` up to ${hostBytes} bytes${below}` : '';
  const title = `on the host${limit}, ${summary.title} of each page; ${pool} pages stay on the device`;
  return {
    ...neutral('on-host', 'place', title),
    neutral: false,
    tier: 'host',
    summary,
    pool,
    hostBytes,
    disk,
  };
}

/** Rows stay on the device, in memory that a pager hands out. */
export const inPages = (pager: Pager): Place => ({
  ...oneTier,
  ...neutral(pager.name, 'place', pager.title),
  neutral: false,
  pager,
});
