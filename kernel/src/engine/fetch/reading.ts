/** A reading: what a step reads of a layer, as a cache layer of its own. Graph, feeds and recorder see nothing else of the
 *  layer, so what is not fetched does not enter the runtime. */
import type { Part } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import type { PageRows } from '../cache/pages.ts';
import { codeWidth, createStore, hidden, occupy, reserve, type Store, takeSlot } from '../cache/store.ts';
import { pickEntries, type Table } from '../cache/table.ts';

export interface Reading {
  cache: CacheLayer;
  /** For each KV head the entry of the layer behind each entry that is read; the same ones where this is missing. */
  origin?: readonly Int32Array[];
}
/** Rows that lie outside of the stores: the page of an entry, and the place there. */
export type Elsewhere = (kvHead: number, entry: number) => { rows: PageRows; at: number } | undefined;

/** The part of a layer that consists of these entries. Stores that are read whole are not copied. */
export function readingOf(layer: CacheLayer, origin: readonly Int32Array[], elsewhere: Elsewhere): Reading {
  const { shape, stores } = layer;
  const tables = layer.tables.map((table, h) => pickEntries(table, origin[h]!));
  const away = origin.some((own, h) => own.some((e) => elsewhere(h, e)));
  const read = (part: Part) =>
    stores[part].map((store, index) => {
      if (!away && isWhole(layer.tables, tables, part, index)) return sameRows(store, tables, part, index);
      // Rows that heads share stay where they are, and so do those that must lie in the same slots.
      const shared = (shape.aligned ? [stores.keys[index]!, stores.values[index]!] : [store]).some(
        ({ encoding }) => encoding.joint,
      );
      return shared
        ? hideOthers(sameRows(store, tables, part, index))
        : copiedRows(layer, store, tables, part, index, origin, elsewhere);
    });
  return { cache: { ...layer, tables, stores: { keys: read('keys'), values: read('values') } }, origin };
}

/** True where the reading has all entries of a store. */
function isWhole(all: readonly Table[], read: readonly Table[], part: Part, index: number): boolean {
  const inStore = ({ count, store }: Table) => {
    let n = 0;
    for (let e = 0; e < count; e++) if (store[part][e] === index) n++;
    return n;
  };
  return all.every((table, h) => inStore(table) === inStore(read[h]!));
}

/** The same buffers under the numbers that entries have in the reading; slots that are not read are hidden. */
function sameRows(store: Store, tables: readonly Table[], part: Part, index: number): Store {
  const entry = store.entry.map((slots) => new Int32Array(slots.length).fill(-1));
  tables.forEach(({ count, store: stores, slot }, h) => {
    for (let e = 0; e < count; e++) if (stores[part][e] === index) entry[h]![slot[part][e]!] = e;
  });
  return { ...store, entry };
}

/** Buffers with the rows of these entries alone, in whole batches. */
function copiedRows(
  layer: CacheLayer,
  store: Store,
  tables: readonly Table[],
  part: Part,
  index: number,
  origin: readonly Int32Array[],
  elsewhere: Elsewhere,
): Store {
  const { encoding, anchored, kvHeads, headSize } = store;
  const { grain } = encoding;
  const out = createStore(part, encoding, anchored, kvHeads, headSize);
  Object.assign(out, { registers: store.registers, learnt: store.learnt });
  const batches = tables.map((table, h) => batchesOf(table, part, index, grain, (e) => elsewhere(h, origin[h]![e]!)));
  reserve(
    out,
    batches.map(({ size }) => size * grain),
    () => {},
  );
  for (const [h, table] of tables.entries())
    for (const entries of batches[h]!.values()) {
      const start = takeSlot(out, h);
      const first = elsewhere(h, origin[h]![entries[0]!]!);
      const old = layer.tables[h]!.slot[part][origin[h]![entries[0]!]!]!;
      for (const [name, view] of out.codes) {
        const code = encoding.codes[name]!;
        const width = codeWidth(code, headSize) * (code.per === 'entry' ? grain : 1);
        const from = (first ? first.at : Math.floor(old / grain)) * width;
        const rows = first ? first.rows.codes[part].get(name)! : store.codes.get(name)![h]!;
        view[h]!.set(rows.subarray(from, from + width) as never, Math.floor(start / grain) * width);
      }
      for (const e of entries) {
        const slot = start + (first ? 0 : layer.tables[h]!.slot[part][origin[h]![e]!]! % grain);
        table.slot[part][e] = slot;
        occupy(out, h, slot, e, table.weight[e]!);
      }
    }
  return out;
}

/** Entries of a store that are written together: by batch, or each by itself. */
function batchesOf(
  { count, store, slot }: Table,
  part: Part,
  index: number,
  grain: number,
  elsewhere: (entry: number) => unknown,
): Map<number, number[]> {
  const out = new Map<number, number[]>();
  for (let e = 0; e < count; e++) {
    if (store[part][e] !== index) continue;
    const batch = elsewhere(e) ? -1 - e : Math.floor(slot[part][e]! / grain);
    const list = out.get(batch);
    if (list) list.push(e);
    else out.set(batch, [e]);
  }
  return out;
}

function hideOthers(store: Store): Store {
  const bias = store.bias.map((row, h) => row.map((value, slot) => (store.entry[h]![slot]! < 0 ? hidden : value)));
  return { ...store, bias };
}
