/** The table of entries of one KV head: which tokens it holds, in which zones, and where their rows lie.
 *
 *  Entries are dense (0 .. count-1) and a set: when one leaves, the last takes its place. Time order comes from `position`. */
import type { Part } from '@kvlab/ops';

export interface Table {
  count: number;
  /** Absolute, never renumbered. */
  position: Int32Array;
  /** Tokens that the entry stands for; its logarithm is added to the logit. */
  weight: Float32Array;
  /** Index into the method's zones. */
  zone: Record<Part, Uint8Array>;
  /** Index into the layer's stores of that part, and the slot there. */
  store: Record<Part, Uint8Array>;
  slot: Record<Part, Int32Array>;
  /** Every state of an operator that has the letter T. */
  columns: Map<string, Float32Array>;
}

type Grown = Int32Array | Float32Array | Uint8Array;
const step = 64;

export function createTable(columns: readonly string[]): Table {
  const empty = () => ({ keys: new Uint8Array(0), values: new Uint8Array(0) });
  return {
    count: 0,
    position: new Int32Array(0),
    weight: new Float32Array(0),
    zone: empty(),
    store: empty(),
    slot: { keys: new Int32Array(0), values: new Int32Array(0) },
    columns: new Map(columns.map((name) => [name, new Float32Array(0)])),
  };
}

/** Applies a change of array to every array of the table. */
function mapArrays(table: Table, change: <A extends Grown>(array: A) => A): void {
  table.position = change(table.position);
  table.weight = change(table.weight);
  for (const part of ['keys', 'values'] as const) {
    table.zone[part] = change(table.zone[part]);
    table.store[part] = change(table.store[part]);
    table.slot[part] = change(table.slot[part]);
  }
  for (const [name, column] of table.columns) table.columns.set(name, change(column));
}

/** Every live array, for the count of bytes. */
export function tableArrays(table: Table): Grown[] {
  const { position, weight, zone, store, slot, columns } = table;
  return [
    position,
    weight,
    zone.keys,
    zone.values,
    store.keys,
    store.values,
    slot.keys,
    slot.values,
    ...columns.values(),
  ];
}

/** Makes the arrays large enough for `entries`, and small enough that little is wasted. */
export function resizeTable(table: Table, entries: number): void {
  const capacity = Math.ceil(entries / step) * step;
  const now = table.position.length;
  if (capacity <= now && now - capacity < 2 * step) return;
  mapArrays(table, (array) => {
    const grown = new (array.constructor as new (n: number) => typeof array)(capacity);
    grown.set(array.subarray(0, Math.min(table.count, capacity)) as never);
    return grown;
  });
}

/** Adds an entry and gives its index; columns start at 0 and rows are placed by the caller. */
export function addEntry(table: Table, position: number, weight: number): number {
  if (table.count === table.position.length) resizeTable(table, table.count + 1);
  const entry = table.count++;
  table.position[entry] = position;
  table.weight[entry] = weight;
  for (const column of table.columns.values()) column[entry] = 0;
  return entry;
}

/** Takes an entry out: the last one moves into its place. Gives the old index of the moved entry, or -1. */
export function removeEntry(table: Table, entry: number): number {
  const from = --table.count;
  if (entry === from) return -1;
  mapArrays(table, (array) => {
    array[entry] = array[from]!;
    return array;
  });
  return from;
}

/** A table with the same arrays, which may be replaced one by one. */
const copyShape = (table: Table): Table => ({
  ...table,
  zone: { ...table.zone },
  store: { ...table.store },
  slot: { ...table.slot },
  columns: new Map(table.columns),
});

export function copyTable(table: Table): Table {
  const copy = copyShape(table);
  mapArrays(copy, (array) => array.slice() as typeof array);
  return copy;
}

/** A table of these entries alone, in the given order. */
export function pickEntries(table: Table, entries: Int32Array): Table {
  const picked = copyShape(table);
  picked.count = entries.length;
  mapArrays(picked, (array) => {
    const out = new (array.constructor as new (n: number) => typeof array)(entries.length);
    for (let i = 0; i < entries.length; i++) out[i] = array[entries[i]!]!;
    return out;
  });
  return picked;
}

/** Entries in time order; entries of one position by their number. */
export function inTimeOrder({ count, position }: Table): Int32Array {
  const order = new Int32Array(count);
  let sorted = true;
  for (let e = 0; e < count; e++) {
    order[e] = e;
    if (e > 0 && position[e]! < position[e - 1]!) sorted = false;
  }
  if (sorted) return order;
  // Position and number in one key: numbers sort without a callback, which takes most of the time of a step otherwise.
  const keys = new Float64Array(count);
  for (let e = 0; e < count; e++) keys[e] = position[e]! * count + e;
  keys.sort();
  for (let e = 0; e < count; e++) order[e] = keys[e]! % count;
  return order;
}
