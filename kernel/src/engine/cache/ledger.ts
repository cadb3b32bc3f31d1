/** The ledger: bytes that the cache really holds, counted from its live buffers, beside what the paper's formula says. */
import type { Allocated, Method } from '@kvlab/ops';
import { byteParts } from '../record/frame.ts';
import { type CacheLayer, parts } from './layer.ts';
import { entryBytes, listBytes, registerBytes } from './store.ts';
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
  for (const [l, layer] of layers.entries()) {
    const { shape, tables, stores } = layer;
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
        const n = counts[z]!;
        inStore[s]! += n;
        const at = z * byteParts.length;
        zones[at + (part === 'keys' ? payloadKeys : payloadValues)]! += n * bytes.payload;
        zones[at + scales]! += n * bytes.scales;
        zones[at + index]! += n * bytes.index;
        byLayer[l]! += n * (bytes.payload + bytes.scales + bytes.index);
        claimed += method.encodingOf(method.zones[z]!, part).claimedBytes(n, shape.headSize, shape.kvHeads);
      }
      stores[part].forEach((store, s) => {
        const { payload, scales: scaleBytes, index: indexBytes } = entryBytes(store);
        const empty = store.capacity.reduce((a, b) => a + b, 0) - inStore[s]!;
        const bytes = empty * (payload + scaleBytes + indexBytes);
        const first = shape.storeOf[part].indexOf(s) * byteParts.length;
        const lengths = listBytes(store);
        const registers = registerBytes(store);
        zones[first + slack]! += bytes;
        zones[first + index]! += lengths;
        zones[first + scales]! += registers;
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
  return { zones, layers: byLayer, held: byLayer.reduce((a, b) => a + b, 0), claimed };
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
  for (const { tables, stores } of layers) {
    for (const table of tables) for (const array of tableArrays(table)) bytes += array.byteLength;
    for (const part of parts)
      for (const store of stores[part]) {
        const { payload, scales: scaleBytes, index: indexBytes } = entryBytes(store);
        const slots = store.capacity.reduce((a, b) => a + b, 0);
        bytes += slots * (payload + scaleBytes + indexBytes) + listBytes(store) + registerBytes(store);
      }
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
