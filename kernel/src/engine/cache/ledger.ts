/** The ledger: bytes that the cache really holds, counted from its live buffers, beside what the paper's formula says. */
import type { Allocated, Method } from '@kvlab/ops';
import { byteParts, tiers } from '../record/frame.ts';
import { type CacheLayer, parts } from './layer.ts';
import { onDisk, pageBytes } from './pages.ts';
import { entryBytes, listBytes, registerBytes, type Store } from './store.ts';
import { tableArrays } from './table.ts';

export interface Ledger {
  /** [Z, 5] by zone and `byteParts`. */
  zones: Float64Array;
  /** [L]. */
  layers: Float64Array;
  /** Sum of all live buffers. */
  held: number;
  /** What the paper's accounting says, exact numbers at 16 bits, without index and slack. */
  claimed: number;
  /** [3] by tier. Device and host are what is held; what lies in a file comes on top. */
  tiers: Float64Array;
  /** [3, Z, 5] by tier, zone and `byteParts`: where the bytes of `zones` lie, and those in a file. */
  places: Float64Array;
  /** What a pager has committed; NaN without one. */
  committed: number;
}

const [payloadKeys, payloadValues, scales, index, slack] = byteParts.map((_, i) => i) as [
  number,
  number,
  number,
  number,
  number,
];

export function readLedger(method: Method, layers: readonly CacheLayer[]): Ledger {
  const Z = method.zones.length;
  const zones = new Float64Array(Z * byteParts.length);
  const byLayer = new Float64Array(layers.length);
  let claimed = 0;
  const [host, file] = [new Float64Array(zones.length), new Float64Array(zones.length)];
  for (const [l, layer] of layers.entries()) {
    const { shape, tables, stores } = layer;
    const away = new Int32Array(Z);
    for (const pages of layer.pages) {
      const { index: names, summary, pool } = pageBytes(pages);
      const at = pages.zone * byteParts.length;
      zones[at + payloadKeys]! += pool.keys;
      zones[at + payloadValues]! += pool.values;
      zones[at + index]! += names + summary;
      byLayer[l]! += pool.keys + pool.values + names + summary;
      for (const head of pages.heads) {
        head.tier.forEach((tier, page) => {
          if (tier === onDisk && page < head.count) away[pages.zone]! += head.entries[page]!;
        });
        for (const { length, position } of head.file.values()) {
          const [keys, values] = parts.map((part) => {
            const store = stores[part][shape.storeOf[part][pages.zone]!]!;
            return position.length * entryBytes(store).payload;
          }) as [number, number];
          file[at + payloadKeys]! += keys;
          file[at + payloadValues]! += values;
          file[at + scales]! += length - keys - values;
        }
      }
    }
    const inZone = tables.map(({ count, zone }) => countZones(zone.keys, count, Z));
    for (const part of parts) {
      // Where both parts share their zones, one count serves both.
      const ofPart =
        part === 'keys' || shape.aligned ? inZone : tables.map(({ count, zone }) => countZones(zone[part], count, Z));
      const counts = new Int32Array(Z);
      for (const ofHead of ofPart) for (let z = 0; z < Z; z++) counts[z]! += ofHead[z]!;
      const inStore = new Int32Array(stores[part].length);
      for (let z = 0; z < Z; z++) {
        const s = shape.storeOf[part][z]!;
        const bytes = entryBytes(stores[part][s]!);
        const n = counts[z]! - away[z]!;
        inStore[s]! += n;
        for (const into of shape.tierOf[z] === 'host' ? [zones, host] : [zones]) {
          const at = z * byteParts.length;
          into[at + (part === 'keys' ? payloadKeys : payloadValues)]! += n * bytes.payload;
          into[at + scales]! += n * bytes.scales;
          into[at + index]! += n * bytes.index;
        }
        byLayer[l]! += n * (bytes.payload + bytes.scales + bytes.index);
        claimed += method.encodingOf(method.zones[z]!, part).claimedBytes(counts[z]!, shape.headSize, shape.kvHeads);
      }
      stores[part].forEach((store, s) => {
        const { payload, scales: scaleBytes, index: indexBytes } = entryBytes(store);
        const empty = store.capacity.reduce((a, b) => a + b, 0) - inStore[s]!;
        const bytes = empty * (payload + scaleBytes + indexBytes);
        const zone = shape.storeOf[part].indexOf(s);
        const first = zone * byteParts.length;
        const lengths = listBytes(store);
        const registers = registerBytes(store);
        for (const into of shape.tierOf[zone] === 'host' ? [zones, host] : [zones]) {
          into[first + slack]! += bytes;
          into[first + index]! += lengths;
          into[first + scales]! += registers;
        }
        byLayer[l]! += bytes + lengths + registers;
      });
    }
    tables.forEach((table, h) => {
      const bytes = tableArrays(table).reduce((n, array) => n + array.byteLength, 0);
      const each = table.position.length ? bytes / table.position.length : 0;
      inZone[h]!.forEach((n, z) => {
        zones[z * byteParts.length + index]! += n * each;
      });
      zones[shape.birthZone * byteParts.length + slack]! += bytes - table.count * each;
      byLayer[l]! += bytes;
    });
  }
  const held = byLayer.reduce((a, b) => a + b, 0);
  const device = zones.map((bytes, i) => bytes - host[i]!);
  const sum = (bytes: Float64Array) => bytes.reduce((a, b) => a + b, 0);
  const byTier = { device: held - sum(host), host: sum(host), disk: sum(file) };
  const byPlace = { device, host, disk: file };
  return {
    zones,
    layers: byLayer,
    held,
    claimed,
    committed: committedBytes(method, layers),
    tiers: Float64Array.from(tiers, (tier) => byTier[tier]),
    places: Float64Array.from(tiers.flatMap((tier) => [...byPlace[tier]])),
  };
}

/** Bytes that the method's pager hands out for what is held, at 4 bytes a number. */
function committedBytes({ zones, placeOf }: Method, layers: readonly CacheLayer[]): number {
  const pagers = zones.flatMap((zone, z) => {
    const { pager } = placeOf(zone);
    return pager ? [{ pager, z }] : [];
  });
  const { kvHeads = 0, headSize = 0 } = layers[0]?.shape ?? {};
  const shape = { layers: layers.length, kvHeads, headSize, bytesPerNumber: 4 };
  const most = (z: number) =>
    Math.max(
      0,
      ...layers.flatMap(({ tables }) => tables.map((t) => countZones(t.zone.keys, t.count, zones.length)[z]!)),
    );
  return pagers.length ? pagers.reduce((n, { pager, z }) => n + pager.committedBytes(most(z), shape), 0) : Number.NaN;
}

/** Every live byte of a store. */
function storeBytes(store: Store): number {
  const { payload, scales: scaleBytes, index: indexBytes } = entryBytes(store);
  const slots = store.capacity.reduce((a, b) => a + b, 0);
  return slots * (payload + scaleBytes + indexBytes) + listBytes(store) + registerBytes(store);
}

/** Entries in each of `zones` zones. */
function countZones(zone: Uint8Array, entries: number, zones: number): Int32Array {
  const counts = new Int32Array(zones);
  for (let e = 0; e < entries; e++) counts[zone[e]!]!++;
  return counts;
}

/** Bytes of all live buffers, without asking what is in them. */
export function heldBytes(layers: readonly CacheLayer[]): number {
  let bytes = 0;
  for (const { tables, stores, pages } of layers) {
    for (const zone of pages) {
      const { index: names, summary, pool } = pageBytes(zone);
      bytes += names + summary + pool.keys + pool.values;
    }
    for (const table of tables) for (const array of tableArrays(table)) bytes += array.byteLength;
    for (const part of parts) for (const store of stores[part]) bytes += storeBytes(store);
  }
  return bytes;
}

/** What the full cache would hold for as many tokens, in the run's own precision. */
export const fullBytes = (tokens: number, layers: number, kvHeads: number, headSize: number): number =>
  tokens * layers * kvHeads * headSize * 2 * 4;

/** Payload bytes that the budget allows, exact rows in the run's precision; NaN where some zone has no limit. */
export function budgetBytes(method: Method, allocated: Allocated | undefined, headSize: number): number {
  const { select } = method.declaration;
  const zones = select.keys.map(({ zone, rule }) => allocated?.get(zone) ?? rule.amount);
  if (!allocated || zones.some((z) => z === undefined)) return Number.NaN;
  const heads = [...allocated.values()][0]?.length ?? 1;
  let entries = 0;
  for (const zone of zones) entries += typeof zone === 'number' ? zone * heads : zone!.reduce((a, b) => a + b, 0);
  return Number.isFinite(entries) ? entries * headSize * 2 * 4 : Number.NaN;
}
