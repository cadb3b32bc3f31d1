/** What quantization costs, measured where rows are written: stored rows against the exact rows that they replaced, and the
 *  attention output of the next query with the one against the other. */
import { columnsOf } from '../attend/columns.ts';
import { type RotaryTable, rotateRow } from '../attend/rotary.ts';
import type { CacheLayer } from '../cache/layer.ts';
import type { WrittenRows } from '../keep/observer.ts';
import type { LayerView } from '../run/step-observer.ts';
import { errorMeasures } from './frame.ts';

interface Sums {
  count: number;
  squaredError: number;
  squaredSignal: number;
  maxAbs: number;
  cosine: number;
  rows: number;
}
export interface QuantizationRecord {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
  sums: Sums[];
  /** Sum of squared errors and count by [L, 2, Hkv*D]. */
  channelError: Float64Array;
  channelCount: Float64Array;
  /** By (layer, part) and position. */
  tokenError: Map<number, { sum: number; count: number; bits: number }>[];
  /** Rows written since the last query, by layer. */
  pending: WrittenRows[][];
  /** Relative error of the attention output of the query after a write [L, Hq], the largest so far; NaN until measured. */
  output: Float32Array;
  any: boolean;
}

export function createQuantizationRecord(
  layers: number,
  queryHeads: number,
  kvHeads: number,
  headSize: number,
): QuantizationRecord {
  const many = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);
  return {
    layers,
    kvHeads,
    headSize,
    sums: many(layers * 2, () => ({ count: 0, squaredError: 0, squaredSignal: 0, maxAbs: 0, cosine: 0, rows: 0 })),
    channelError: new Float64Array(layers * 2 * kvHeads * headSize),
    channelCount: new Float64Array(layers * 2 * kvHeads * headSize),
    tokenError: many(layers * 2, () => new Map()),
    pending: many(layers, () => []),
    output: new Float32Array(layers * queryHeads).fill(Number.NaN),
    any: false,
  };
}

/** Adds rows that were just written. */
export function recordWritten(record: QuantizationRecord, rows: WrittenRows): void {
  const { headSize: D, kvHeads } = record;
  const side = rows.layer * 2 + (rows.part === 'keys' ? 0 : 1);
  const sums = record.sums[side]!;
  record.any = true;
  rows.positions.forEach((position, i) => {
    let [error, signal, dot, restored2] = [0, 0, 0, 0];
    for (let d = 0; d < D; d++) {
      const x = rows.exact[i * D + d]!;
      const y = rows.restored[i * D + d]!;
      const e = (x - y) ** 2;
      error += e;
      signal += x * x;
      dot += x * y;
      restored2 += y * y;
      sums.maxAbs = Math.max(sums.maxAbs, Math.abs(x - y));
      const channel = side * kvHeads * D + rows.kvHead * D + d;
      record.channelError[channel]! += e;
      record.channelCount[channel]!++;
    }
    sums.count += D;
    sums.rows++;
    sums.squaredError += error;
    sums.squaredSignal += signal;
    sums.cosine += dot / (Math.sqrt(signal * restored2) || 1);
    const token = record.tokenError[side]!.get(position) ?? { sum: 0, count: 0, bits: rows.bits };
    token.sum += error;
    token.count += D;
    token.bits = rows.bits;
    record.tokenError[side]!.set(position, token);
  });
  record.pending[rows.layer]!.push(rows);
}

/** The columns of `quantization.*` for T tokens. */
export function quantizationColumns(record: QuantizationRecord, T: number) {
  const { layers, kvHeads, headSize } = record;
  const layer = new Float32Array(layers * 2 * errorMeasures.length).fill(Number.NaN);
  record.sums.forEach((s, side) => {
    if (!s.count) return;
    const snr = 10 * Math.log10(s.squaredSignal / s.squaredError);
    layer.set([s.squaredError / s.count, s.maxAbs, s.cosine / s.rows, snr], side * errorMeasures.length);
  });
  const channel = Float32Array.from(record.channelError, (e, i) =>
    Math.sqrt(e / (record.channelCount[i] || Number.NaN)),
  );
  const token = new Float32Array(layers * 2 * T).fill(Number.NaN);
  const bits = new Uint8Array(layers * 2 * T).fill(32);
  record.tokenError.forEach((tokens, side) => {
    for (const [position, { sum, count, bits: b }] of tokens)
      if (position < T) {
        token[side * T + position] = Math.sqrt(sum / count);
        bits[side * T + position] = b;
      }
  });
  return { layer, channel, token, bits, channels: kvHeads * headSize };
}

/** Measures the attention output of this query against what it would be with the exact rows of the last writes. */
export function recordOutputError(
  record: QuantizationRecord,
  view: LayerView,
  rotary: RotaryTable,
  queryHeads: number,
): void {
  const pending = record.pending[view.layer]!;
  record.pending[view.layer] = [];
  const newest = view.position.length - 1;
  const { rotated, attend } = view.cache.shape;
  // Where positions close up, a key has no angle of its own.
  if (pending.length === 0 || newest > 0 || (!rotated && !attend.ruleOf('fresh').storesRotated)) return;
  const { kvHeads, headSize: D } = record;
  const G = queryHeads / kvHeads;
  for (let h = 0; h < kvHeads; h++) {
    const own = pending.filter((rows) => rows.kvHead === h);
    if (own.length === 0) continue;
    const exactKeys = rowsByPosition(own, 'keys', 'exact', D);
    const storedKeys = rowsByPosition(own, 'keys', 'restored', D);
    if (!rotated)
      for (const keys of [exactKeys, storedKeys])
        for (const [position, key] of keys) keys.set(position, rotateRow(key, position, rotary));
    const exactValues = rowsByPosition(own, 'values', 'exact', D);
    const storedValues = rowsByPosition(own, 'values', 'restored', D);
    const share = shares(view, h);
    for (let member = 0; member < G; member++) {
      const query = rotateRow(
        view.queries.subarray((h * G + member) * D, (h * G + member + 1) * D),
        view.position[0]!,
        rotary,
      );
      const now = view.output.subarray((h * G + member) * D, (h * G + member + 1) * D);
      const better = Float64Array.from(now);
      let total = 1;
      const positions = new Set([...exactKeys.keys(), ...exactValues.keys()]);
      for (const position of positions) {
        const p = share(member, position);
        const key = exactKeys.get(position);
        const weight = key ? p * Math.exp(dot(query, key) - dot(query, storedKeys.get(position)!)) : p;
        total += weight - p;
        const stored = storedValues.get(position) ?? storedRow(view.cache, h, position, D);
        const value = exactValues.get(position) ?? stored;
        if (!stored || !value) return;
        for (let d = 0; d < D; d++) better[d]! += weight * value[d]! - p * stored[d]!;
      }
      let [error, signal] = [0, 0];
      for (let d = 0; d < D; d++) {
        const exact = better[d]! / total;
        error += (now[d]! - exact) ** 2;
        signal += exact ** 2;
      }
      const at = view.layer * queryHeads + h * G + member;
      // The largest: a whole prompt is packed at once, later writes are single rows and would hide it.
      const moved = Math.sqrt(error / (signal || 1));
      record.output[at] = Number.isNaN(record.output[at]!) ? moved : Math.max(record.output[at]!, moved);
    }
  }
}

function rowsByPosition(
  list: readonly WrittenRows[],
  part: 'keys' | 'values',
  which: 'exact' | 'restored',
  D: number,
): Map<number, Float32Array> {
  const out = new Map<number, Float32Array>();
  for (const rows of list)
    if (rows.part === part)
      for (const [i, position] of rows.positions.entries()) out.set(position, rows[which].subarray(i * D, (i + 1) * D));
  return out;
}

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
};

/** Probability that the newest query of a group member gives a position. */
function shares({ cache, form, attention }: LayerView, kvHead: number): (member: number, position: number) => number {
  const table = cache.tables[kvHead]!;
  const { start, count: C } = columnsOf(cache, form, kvHead, 1);
  const entryAt = new Map(Array.from(table.position.subarray(0, table.count), (p, e) => [p, e]));
  return (member, position) => {
    const e = entryAt.get(position);
    if (e === undefined) return 0;
    const row = ((form.apart ? 0 : kvHead) * form.group + member) * C;
    return attention[form.apart ? kvHead : 0]![row + start[table.store.keys[e]!]! + table.slot.keys[e]!]!;
  };
}

/** The value row of an entry where it is stored exactly. */
function storedRow(cache: CacheLayer, kvHead: number, position: number, D: number): Float32Array | undefined {
  const table = cache.tables[kvHead]!;
  const e = table.position.subarray(0, table.count).indexOf(position);
  const rows = e < 0 ? undefined : cache.stores.values[table.store.values[e]!]!.codes.get('rows')?.[kvHead];
  if (!(rows instanceof Float32Array)) return undefined;
  return rows.subarray(table.slot.values[e]! * D, (table.slot.values[e]! + 1) * D);
}
