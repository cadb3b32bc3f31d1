/** Columns of an attention block: the stored slots of each key store, then the new keys. */
import type { CacheLayer } from '../cache/layer.ts';
import { inTimeOrder } from '../cache/table.ts';
import type { Form } from './form.ts';

/** Columns of a block: where each stored slot and each new key stands in the last axis of the attention. */
export interface Columns {
  /** First column of each key store. */
  start: number[];
  /** Column of the first new key, and the number of all. */
  fresh: number;
  count: number;
}

export function columnsOf(layer: CacheLayer, form: Form, kvHead: number, Q: number): Columns {
  const start: number[] = [];
  let end = 0;
  for (const { index } of form.keys) {
    start[index] = end;
    end += layer.stores.keys[index]!.capacity[kvHead]!;
  }
  return { start, fresh: end, count: end + Q };
}

/** Columns of a head in time order, new keys last. */
export function timeOrder(layer: CacheLayer, form: Form, kvHead: number, Q: number): Int32Array {
  const table = layer.tables[kvHead]!;
  const { start, fresh } = columnsOf(layer, form, kvHead, Q);
  const out = new Int32Array(table.count + Q);
  inTimeOrder(table).forEach((e, i) => {
    out[i] = start[table.store.keys[e]!]! + table.slot.keys[e]!;
  });
  for (let q = 0; q < Q; q++) out[table.count + q] = fresh + q;
  return out;
}
