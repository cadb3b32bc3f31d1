/** On the host: rows are copied to the device a page at a time when they are read, and a pool of pages stays there. What the
 *  host has no room for goes to a file, where that is allowed. */
import { neutral } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import type { Place } from './place.ts';

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
