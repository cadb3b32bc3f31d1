/** The pages of a zone in one layer: which segments of the text a head holds whole there, what sums each of them up, where
 *  its rows lie, and copies on the device of those that were read last.
 *
 *  A page is closed once its segment has ended and no token of it can still come down from a zone above. What a zone holds
 *  beside its pages belongs to none. Pages are numbered by their segment, and lie in the order in which they were closed. */
import type { Fetch, Part, Place } from '@kvlab/ops';
import { type Tier, tiers } from '../record/frame.ts';
import type { CodeArray } from './store.ts';
import type { Table } from './table.ts';

/** A zone whose rows do not simply lie on the device and are read. */
export interface PagedZone {
  /** Index into the method's zones. */
  zone: number;
  place: Place;
  fetch: Fetch;
  /** Zones above from which an entry may still come down. */
  from: readonly number[];
}
/** Rows of a page outside of the stores: each code [entries, ...]. */
export interface PageRows {
  /** Absolute positions. */
  position: Int32Array;
  codes: Record<Part, Map<string, CodeArray>>;
}
/** Where a page lies in the file of its cache. */
export interface Stretch {
  offset: number;
  length: number;
  checksum: number;
  position: Int32Array;
}
export interface HeadPages {
  count: number;
  segment: Int32Array;
  entries: Int32Array;
  /** Step in which it was last fetched, -1 for never. */
  lastRead: Int32Array;
  /** Index into `tiers`: where its rows lie; copies in the pool come on top. */
  tier: Uint8Array;
  /** Each result of the summary operator, [capacity, D]. */
  summary: Map<string, Float32Array>;
  /** Copies on the device, by index of the page. */
  pool: Map<number, PageRows>;
  /** Pages in the file, by index. */
  file: Map<number, Stretch>;
}
export interface ZonePages extends PagedZone {
  heads: HeadPages[];
}

export const onDisk = tiers.indexOf('disk');
export const tierNumber = (tier: Tier): number => tiers.indexOf(tier);

export function createPages(zone: PagedZone, kvHeads: number): ZonePages {
  const none = (): HeadPages => ({
    count: 0,
    segment: new Int32Array(0),
    entries: new Int32Array(0),
    lastRead: new Int32Array(0),
    tier: new Uint8Array(0),
    summary: new Map(),
    pool: new Map(),
    file: new Map(),
  });
  return { ...zone, heads: Array.from({ length: kvHeads }, none) };
}

/** Adds a page and gives its index; its summary starts at 0. */
export function addPage(pages: HeadPages, segment: number, entries: number, tier: number, D: number, names: string[]) {
  if (pages.count === pages.segment.length) {
    const capacity = pages.count + 16;
    const wider = <A extends Int32Array | Uint8Array | Float32Array>(old: A, width: number): A => {
      const grown = new (old.constructor as new (n: number) => A)(capacity * width);
      grown.set(old as never);
      return grown;
    };
    pages.segment = wider(pages.segment, 1);
    pages.entries = wider(pages.entries, 1);
    pages.lastRead = wider(pages.lastRead, 1);
    pages.tier = wider(pages.tier, 1);
    for (const name of names) pages.summary.set(name, wider(pages.summary.get(name) ?? new Float32Array(0), D));
  }
  const page = pages.count++;
  pages.segment[page] = segment;
  pages.entries[page] = entries;
  pages.lastRead[page] = -1;
  pages.tier[page] = tier;
  return page;
}

/** For each entry of a head the index of its page, -1 where it belongs to none. */
export function pageOfEntries(
  { zone }: ZonePages,
  pages: HeadPages,
  table: Table,
  segmentOf: Int32Array,
): { page: Int32Array; inPages: number } {
  const last = pages.count ? pages.segment[pages.count - 1]! : -1;
  const byName = new Int32Array(last + 1).fill(-1);
  for (let p = 0; p < pages.count; p++) byName[pages.segment[p]!] = p;
  const page = new Int32Array(table.count).fill(-1);
  let inPages = 0;
  for (let e = 0; e < table.count; e++) {
    if (table.zone.keys[e] !== zone) continue;
    const found = byName[segmentOf[table.position[e]!]!] ?? -1;
    if (found < 0) continue;
    page[e] = found;
    inPages++;
  }
  return { page, inPages };
}

export const rowBytes = ({ codes }: PageRows): number =>
  (['keys', 'values'] as const).reduce(
    (n, part) => [...codes[part].values()].reduce((m, { byteLength }) => m + byteLength, n),
    0,
  );

/** Every array that a head's pages keep in memory: what names them and sums them up, and the copies of rows. */
export function pageBytes({ heads }: ZonePages): { index: number; summary: number; pool: Record<Part, number> } {
  const bytes = { index: 0, summary: 0, pool: { keys: 0, values: 0 } };
  for (const { segment, entries, lastRead, tier, summary, pool, file } of heads) {
    bytes.index += segment.byteLength + entries.byteLength + lastRead.byteLength + tier.byteLength;
    for (const { position } of file.values()) bytes.index += position.byteLength;
    for (const rows of summary.values()) bytes.summary += rows.byteLength;
    for (const { position, codes } of pool.values()) {
      bytes.index += position.byteLength;
      for (const part of ['keys', 'values'] as const)
        for (const code of codes[part].values()) bytes.pool[part] += code.byteLength;
    }
  }
  return bytes;
}

/** A copy that goes on by itself. Copies of rows are never written to and are shared; so is the file, which only grows. */
export function copyPages(pages: ZonePages): ZonePages {
  return {
    ...pages,
    heads: pages.heads.map((head) => ({
      count: head.count,
      segment: head.segment.slice(),
      entries: head.entries.slice(),
      lastRead: head.lastRead.slice(),
      tier: head.tier.slice(),
      summary: new Map([...head.summary].map(([name, rows]) => [name, rows.slice()])),
      pool: new Map(head.pool),
      file: new Map(head.file),
    })),
  };
}
