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
  const away = origin.map((own, h) => Uint8Array.from(own, (e) => (elsewhere(h, e) ? 1 : 0)));
  const read = (part: Part) =>
    stores[part].map((store, index) => {
      const inStore = ({ store: stores }: Table, e: number) => stores[part][e] === index;
      const here = !tables.some((table, h) => away[h]!.some((is, e) => is && inStore(table, e)));
      if (here && isWhole(layer.tables, tables, part, index)) return sameRows(store, tables, part, index);
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

/** Buffers with the rows of these entries alone, in whole batches. Batches that lie behind each other are copied at once. */
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
  const counts = batches.map((list) => list.length * grain);
  reserve(out, counts, () => {});
  for (const [h, table] of tables.entries()) {
    const list = batches[h]!;
    for (let i = 0; i < list.length; ) {
      const { rows, at } = list[i]!;
      let n = 1;
      while (i + n < list.length && list[i + n]!.rows === rows && list[i + n]!.at === at + n) n++;
      const to = Array.from({ length: n }, () => takeSlot(out, h));
      // Free slots are handed out in order, as long as nothing was given back.
      for (const [name, view] of out.codes) {
        const code = encoding.codes[name]!;
        const width = codeWidth(code, headSize) * (code.per === 'entry' ? grain : 1);
        const source = (rows?.codes[part].get(name) ?? store.codes.get(name)![h]!).subarray(
          at * width,
          (at + n) * width,
        );
        view[h]!.set(source as never, (to[0]! / grain) * width);
      }
      for (let b = 0; b < n; b++)
        for (const e of list[i + b]!.entries) {
          const slot = to[b]! + (rows ? 0 : layer.tables[h]!.slot[part][origin[h]![e]!]! % grain);
          table.slot[part][e] = slot;
          occupy(out, h, slot, e, table.weight[e]!);
        }
      i += n;
    }
  }
  return out;
}

/** Entries of a store that are written together: where their rows begin, in batches, and of what page if they lie elsewhere. */
function batchesOf(
  { count, store, slot }: Table,
  part: Part,
  index: number,
  grain: number,
  elsewhere: (entry: number) => { rows: PageRows; at: number } | undefined,
): { rows?: PageRows; at: number; entries: number[] }[] {
  const out: { rows?: PageRows; at: number; entries: number[] }[] = [];
  const batches = new Map<number, number[]>();
  for (let e = 0; e < count; e++) {
    if (store[part][e] !== index) continue;
    const away = elsewhere(e);
    const at = away ? away.at : Math.floor(slot[part][e]! / grain);
    const known = away || grain === 1 ? undefined : batches.get(at);
    if (known) known.push(e);
    else {
      const entries = [e];
      if (!away && grain > 1) batches.set(at, entries);
      out.push({ rows: away?.rows, at, entries });
    }
  }
  return out;
}

function hideOthers(store: Store): Store {
  const bias = store.bias.map((row, h) => row.map((value, slot) => (store.entry[h]![slot]! < 0 ? hidden : value)));
  return { ...store, bias };
}
