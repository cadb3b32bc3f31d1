/** Settling pages: after a step, segments that a zone now holds whole become pages, and what the host has no room for goes
 *  to a file. Before a step, a host that would be full refuses it. */
import { type Allocated, assignZones, type Method } from '@kvlab/ops';
import type { RotaryTable } from '../attend/rotary.ts';
import { type CacheLayer, parts } from '../cache/layer.ts';
import { onDisk, pageOfEntries, rowBytes, tierNumber, type ZonePages } from '../cache/pages.ts';
import { entryBytes } from '../cache/store.ts';
import { count, type Traffic } from '../cache/traffic.ts';
import type { Operate } from '../operate/operate.ts';
import type { PageFile } from '../runtime/platform.ts';
import { closePages } from './close.ts';
import { leaveStores, takeRows, writeRows } from './rows.ts';
import type { Segments } from './segments.ts';

export interface SettleMoment {
  segments: Segments;
  traffic: Traffic;
  operate: Operate;
  rotary: RotaryTable;
  file(): Promise<PageFile>;
}

/** Closes pages in all layers, counts what left the device, and keeps the host within its bytes. */
export async function settlePages(layers: readonly CacheLayer[], moment: SettleMoment): Promise<void> {
  if (!layers[0]?.pages.length) return;
  const { segments, traffic, operate, rotary } = moment;
  for (const closed of await closePages(layers, segments, operate, rotary)) {
    if (closed.zone.place.tier !== 'host') continue;
    const cache = layers[closed.layer]!;
    const bytes = closed.zone.heads[closed.kvHead]!.entries[closed.page]! * bytesOfEntry(cache, closed.zone);
    count(traffic, 'device', 'host', bytes);
  }
  for (const [i, { place }] of layers[0].pages.entries())
    if (place.disk && Number.isFinite(place.hostBytes)) await spill(layers, i, moment);
}

/** Bytes of the rows of one entry in a zone, keys and values. */
function bytesOfEntry({ shape, stores }: CacheLayer, { zone }: ZonePages): number {
  return parts.reduce((n, part) => {
    const { payload, scales } = entryBytes(stores[part][shape.storeOf[part][zone]!]!);
    return n + payload + scales;
  }, 0);
}

/** Pages that lie on the host in rows of their zone, the one read longest ago first; the earliest of equals. */
function onHost(layers: readonly CacheLayer[], i: number) {
  const host = tierNumber('host');
  const all = layers.flatMap((cache, layer) =>
    cache.pages[i]!.heads.flatMap((head, kvHead) =>
      Array.from({ length: head.count }, (_, page) => ({ cache, layer, kvHead, head, page })),
    ),
  );
  return all
    .filter(({ head, page }) => head.tier[page] === host)
    .sort(
      (a, b) =>
        a.head.lastRead[a.page]! - b.head.lastRead[b.page]! || a.head.segment[a.page]! - b.head.segment[b.page]!,
    );
}

/** Moves pages to the file until the host holds no more than it may. */
async function spill(layers: readonly CacheLayer[], i: number, moment: SettleMoment): Promise<void> {
  const { place } = layers[0]!.pages[i]!;
  const pages = onHost(layers, i);
  let held = pages.reduce(
    (n, { cache, head, page }) => n + head.entries[page]! * bytesOfEntry(cache, cache.pages[i]!),
    0,
  );
  for (const { cache, kvHead, head, page } of pages) {
    if (held <= place.hostBytes) return;
    const { page: of } = pageOfEntries(cache.pages[i]!, head, cache.tables[kvHead]!, moment.segments.of);
    const entries = Array.from(of.keys()).filter((e) => of[e] === page);
    const rows = takeRows(cache, kvHead, entries);
    const stretch = await writeRows(rows, await moment.file());
    count(moment.traffic, 'host', 'disk', rowBytes(rows));
    leaveStores(cache, kvHead, entries);
    head.file.set(page, stretch);
    head.tier[page] = onDisk;
    held -= rowBytes(rows);
  }
}

/** Refuses new tokens that would bring more rows to the host than it may hold, before anything is computed. */
export function checkHost(
  method: Method,
  layers: readonly CacheLayer[],
  allocated: Allocated | undefined,
  position: Int32Array,
): void {
  const kvHeads = layers[0]?.shape.kvHeads ?? 0;
  for (const [i, { zone, place }] of (layers[0]?.pages ?? []).entries()) {
    if (place.tier !== 'host' || place.disk || !Number.isFinite(place.hostBytes)) continue;
    let bytes = 0;
    layers.forEach((cache, l) => {
      cache.tables.forEach((table, h) => {
        const after = zonesAfter(method, table.count, table, position, allocated, l * kvHeads + h);
        bytes += after.filter((z) => z === zone).length * bytesOfEntry(cache, cache.pages[i]!);
      });
    });
    if (bytes > place.hostBytes)
      throw new RangeError(
        `${method.name}: place on host: ${bytes} bytes of rows of zone ${method.zones[zone]} are to lie there and hostBytes allows ${place.hostBytes}; raise hostBytes, or give disk: true for the rest. The cache is as it was before these ${position.length} tokens`,
      );
  }
}

/** Zones that the entries of a head would have after a keep pass with the new tokens. */
function zonesAfter(
  method: Method,
  held: number,
  { position, zone, columns }: CacheLayer['tables'][number],
  added: Int32Array,
  allocated: Allocated | undefined,
  head: number,
): Uint8Array {
  const all = held + added.length;
  const positions = new Int32Array(all);
  positions.set(position.subarray(0, held));
  positions.set(added, held);
  const score = new Float32Array(all);
  score.set(columns.get('score')?.subarray(0, held) ?? new Float32Array(0));
  const current = new Uint8Array(all);
  current.set(zone.keys.subarray(0, held));
  const candidates = { count: all, position: positions, score, seen: added[added.length - 1]! + 1 };
  const amountOf = (name: string) => allocated?.get(name)?.[head] ?? Number.POSITIVE_INFINITY;
  return assignZones(method.declaration.select.keys, method.zones, candidates, current, amountOf);
}
