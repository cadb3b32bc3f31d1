/** Synthetic entries: what a compensation leaves behind for the entries of a head that leave. */
import type { Bound } from '@kvlab/ops';
import { type CacheLayer, makeRoom, parts, place, writeExact } from '../cache/layer.ts';
import { occupy, takeSlot } from '../cache/store.ts';
import { addEntry, inTimeOrder } from '../cache/table.ts';
import type { Operate } from '../operate/operate.ts';
import { compensated, headRows } from './compensation.ts';

export interface Synthetic {
  layer: CacheLayer;
  kvHead: number;
  /** Position of the last entry that went into it. */
  position: number;
  weight: number;
  keys: Float32Array;
  values: Float32Array;
}

/** What stands for the leaving entries of a head, computed before they go. */
export async function standIn(
  compensate: Bound,
  layer: CacheLayer,
  kvHead: number,
  leaving: readonly number[],
  operate: Operate | undefined,
): Promise<Synthetic> {
  const table = layer.tables[kvHead]!;
  const D = layer.shape.headSize;
  const gone = new Set(leaving);
  const entries = inTimeOrder(table).filter((e) => gone.has(e));
  const weights = { dims: [1, entries.length], data: Float32Array.from(entries, (e) => table.weight[e]!) };
  const inputs = {
    keys: headRows(layer, 'keys', [{ kvHead, entries }]),
    values: headRows(layer, 'values', [{ kvHead, entries }]),
    leaving: weights,
  };
  const result = await compensated(compensate, inputs, { heads: 1, headSize: D, layerIndex: 0 }, operate);
  return {
    layer,
    kvHead,
    position: table.position[entries[entries.length - 1]!]!,
    weight: Number(result['weight']!.data[0]),
    keys: Float32Array.from(result['key']!.data),
    values: Float32Array.from(result['value']!.data),
  };
}

/** Puts stand-ins into their zone, once the entries that they stand for have left. */
export function addSynthetic({ layer, kvHead, position, weight, keys, values }: Synthetic): void {
  const { shape, tables, stores } = layer;
  const zone = shape.syntheticZone;
  const extra = new Int32Array(shape.kvHeads);
  extra[kvHead] = 1;
  for (const part of parts) makeRoom(layer, part, shape.storeOf[part][zone]!, extra);
  const table = tables[kvHead]!;
  const entry = addEntry(table, position, weight);
  for (const part of parts) {
    const index = shape.storeOf[part][zone]!;
    const store = stores[part][index]!;
    const slot = takeSlot(store, kvHead);
    place(table, part, entry, zone, index, slot);
    occupy(store, kvHead, slot, entry, weight);
    writeExact(store, kvHead, slot, part === 'keys' ? keys : values);
  }
}
