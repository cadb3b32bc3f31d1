/** The cache of one layer: a table for each KV head, and stores that hold the rows. */
import { type Method, type Part, toHalfBits } from '@kvlab/ops';
import { copyPages, createPages, type PagedZone, type ZonePages } from './pages.ts';
import { copyStore, createStore, occupy, releaseSlot, reserve, type Store, shrink, takeSlot } from './store.ts';
import { addEntry, copyTable, createTable, inTimeOrder, removeEntry, resizeTable, type Table } from './table.ts';

export const parts: readonly Part[] = ['keys', 'values'];

/** Which zone is stored where: the same for all layers. */
export interface CacheShape {
  kvHeads: number;
  headSize: number;
  zones: readonly string[];
  /** Zone in which new rows are written. */
  birthZone: number;
  /** For each part the encodings that need a store, and the store of each zone. */
  stores: Record<
    Part,
    { encoding: ReturnType<Method['encodingOf']>; anchored: boolean; room?: (slots: number) => number }[]
  >;
  storeOf: Record<Part, readonly number[]>;
  /** Keys and values have the same zones and batches, so that both parts of an entry lie in the same slot. */
  aligned: boolean;
  /** Keys are stored with their rotary position. */
  rotated: boolean;
  columns: readonly string[];
  /** Zone of entries that stand for several tokens that left; -1 = none. */
  syntheticZone: number;
  /** Zones with pages, and the tier of every zone. */
  paged: readonly PagedZone[];
  tierOf: readonly ('device' | 'host')[];
  /** Position rules of the zones. */
  attend: Method['declaration']['attend'];
}

export interface CacheLayer {
  readonly shape: CacheShape;
  readonly tables: Table[];
  readonly stores: Record<Part, Store[]>;
  readonly pages: readonly ZonePages[];
  /** Largest |query| of each channel so far [Hkv, D], until the encodings that learn from it have learnt. */
  queryPeaks?: Float32Array;
}

/** `layers` matters only to pagers that lay all of them out together. */
export function cacheShape(
  method: Method,
  kvHeads: number,
  headSize: number,
  columns: readonly string[],
  layers = 1,
): CacheShape {
  const { zones, declaration } = method;
  const { select, attend } = declaration;
  const rotated = attend.ruleOf('fresh').storesRotated && method.encodingOf('fresh', 'keys').stores !== 'unrotated';
  // Zones at the start of the text are read from positions of their own when a rule closes the gap behind them.
  const anchoredZone = (zone: string) =>
    attend.ruleOf(zone).ownQueries === true ||
    (!attend.ruleOf(zone).storesRotated && select.keys.some((r) => r.zone === zone && r.rule.byPosition === 'first'));
  const joint = select.keys === select.values;
  const stores: CacheShape['stores'] = { keys: [], values: [] };
  const storeOf = { keys: [] as number[], values: [] as number[] };
  const names: Record<Part, string[]> = { keys: [], values: [] };
  for (const zone of zones)
    for (const part of parts) {
      const encoding = method.encodingOf(zone, part);
      const anchored = anchoredZone(zone);
      // When both parts share their zones, a store of one part mirrors a store of the other, slot by slot.
      const name = joint ? parts.map((p) => method.encodingOf(zone, p).name).join('|') : encoding.name;
      const { tier, pager } = method.placeOf(zone);
      const place = tier === 'host' || pager ? `|${zone}` : '';
      const full = `${name}${anchored && (part === 'keys' || joint) ? '|anchored' : ''}${place}`;
      let index = names[part].indexOf(full);
      if (index < 0) {
        index = names[part].push(full) - 1;
        stores[part].push({
          encoding,
          anchored,
          // A store holds one part of one layer at 4 bytes a number.
          room: pager && ((slots: number) => pager.room(slots, { layers, kvHeads, headSize, bytesPerNumber: 4 })),
        });
      }
      storeOf[part].push(index);
    }
  const sameGrain = zones.every(
    (zone) => method.encodingOf(zone, 'keys').grain === method.encodingOf(zone, 'values').grain,
  );
  const birthZone = method.when.length === 0 ? 1 : 0;
  return {
    kvHeads,
    headSize,
    zones,
    birthZone,
    stores,
    storeOf,
    aligned: joint && sameGrain,
    rotated,
    columns,
    attend,
    paged: pagedZones(method),
    tierOf: zones.map((zone) => method.placeOf(zone).tier),
    syntheticZone: 'zone' in declaration.compensate ? zones.indexOf(String(declaration.compensate.zone)) : -1,
  };
}

/** Zones that are fetched in part, summed up by page, or not on the device. */
function pagedZones({ zones, declaration, placeOf, fetchOf }: Method): PagedZone[] {
  const stays = (zone: string) => declaration.select.keys.some((r) => r.zone === zone && r.rule.byPosition === 'first');
  return zones.flatMap((name, zone) => {
    const [place, fetch] = [placeOf(name), fetchOf(name)];
    if (!fetch.by && !place.summary && place.tier === 'device') return [];
    const from = Array.from({ length: zone }, (_, z) => z).filter((z) => !stays(zones[z]!));
    return [{ zone, place, fetch, from }];
  });
}

export function createLayer(shape: CacheShape): CacheLayer {
  const storesOf = (part: Part) =>
    shape.stores[part].map((s) => createStore(part, s.encoding, s.anchored, shape.kvHeads, shape.headSize, s.room));
  return {
    shape,
    tables: Array.from({ length: shape.kvHeads }, () => createTable(shape.columns)),
    stores: { keys: storesOf('keys'), values: storesOf('values') },
    pages: shape.paged.map((zone) => createPages(zone, shape.kvHeads)),
  };
}

const mover =
  (layer: CacheLayer, part: Part) =>
  (kvHead: number, entry: number, slot: number): void => {
    layer.tables[kvHead]!.slot[part][entry] = slot;
  };

/** Adds new exact rows [Hkv, Q, D] at the given positions. Gives for each head the index of its first new entry. */
export function append(layer: CacheLayer, rows: Record<Part, Float32Array>, positions: Int32Array): Int32Array {
  const { shape, tables, stores } = layer;
  const [Q, D, zone] = [positions.length, shape.headSize, shape.birthZone];
  const first = Int32Array.from(tables, (table) => table.count);
  const extra = new Int32Array(shape.kvHeads).fill(Q);
  for (const part of parts) reserve(stores[part][shape.storeOf[part][zone]!]!, extra, mover(layer, part));
  tables.forEach((table, h) => {
    resizeTable(table, table.count + Q);
    for (let q = 0; q < Q; q++) {
      const entry = addEntry(table, positions[q]!, 1);
      for (const part of parts) {
        const index = shape.storeOf[part][zone]!;
        const store = stores[part][index]!;
        const slot = takeSlot(store, h);
        place(table, part, entry, zone, index, slot);
        occupy(store, h, slot, entry, 1);
        writeExact(store, h, slot, rows[part].subarray((h * Q + q) * D, (h * Q + q + 1) * D));
      }
    }
  });
  return first;
}

export function place(table: Table, part: Part, entry: number, zone: number, store: number, slot: number): void {
  table.zone[part][entry] = zone;
  table.store[part][entry] = store;
  table.slot[part][entry] = slot;
}

/** Writes one row into an exact or 16-bit store. */
export function writeExact(store: Store, kvHead: number, slot: number, row: Float32Array): void {
  const rows = store.codes.get('rows')![kvHead]!;
  if (rows instanceof Uint16Array)
    for (let d = 0; d < row.length; d++) rows[slot * row.length + d] = toHalfBits(row[d]!);
  else rows.set(row, slot * row.length);
}

/** Takes an entry out of the cache: both rows are wiped. */
export function evict(layer: CacheLayer, kvHead: number, entry: number): void {
  const table = layer.tables[kvHead]!;
  // Rows that lie in a file have no slot.
  for (const part of parts)
    if (table.slot[part][entry]! >= 0)
      releaseSlot(layer.stores[part][table.store[part][entry]!]!, kvHead, table.slot[part][entry]!);
  const from = removeEntry(table, entry);
  if (from < 0) return;
  for (const part of parts)
    if (table.slot[part][entry]! >= 0)
      layer.stores[part][table.store[part][entry]!]!.entry[kvHead]![table.slot[part][entry]!] = entry;
}

/** Gives back memory that is no longer needed. */
export function compact(layer: CacheLayer): void {
  for (const part of parts) for (const store of layer.stores[part]) shrink(store, mover(layer, part));
  for (const table of layer.tables) resizeTable(table, table.count);
}

/** Makes room in a store for `extra` rows a head. */
export function makeRoom(layer: CacheLayer, part: Part, store: number, extra: ArrayLike<number>): void {
  reserve(layer.stores[part][store]!, extra, mover(layer, part));
}

export function forkLayer(layer: CacheLayer): CacheLayer {
  const { shape, tables, stores, pages } = layer;
  return {
    shape,
    tables: tables.map(copyTable),
    stores: { keys: stores.keys.map(copyStore), values: stores.values.map(copyStore) },
    pages: pages.map(copyPages),
    ...(layer.queryPeaks ? { queryPeaks: layer.queryPeaks.slice() } : {}),
  };
}

/** Absolute positions of the tokens that a head holds, in time order; entries that stand for several are left out. */
export function keptPositions(layer: CacheLayer, kvHead: number): Int32Array {
  const table = layer.tables[kvHead]!;
  const tokens = inTimeOrder(table).filter((e) => table.zone.keys[e] !== layer.shape.syntheticZone);
  return tokens.map((e) => table.position[e]!);
}
