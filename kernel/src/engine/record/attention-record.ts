/** Reduces attention rows to what panels need while they pass by: sums, entropies and the largest shares, never whole rows.
 *
 *  Rows of a step are read in one pass over all heads; what a run keeps is [L, Hq, T] sums and [S, L, Hq] scalars. */
import { columnsOf } from '../attend/feeds.ts';
import type { LayerView } from '../run/sequence.ts';
import { topCount } from './frame.ts';

export interface AttentionRecord {
  /** Attention received so far [L, Hq, capacity], the token's own query included. */
  received: Float32Array;
  /** The part of it that comes from the token's own query. */
  own: Float32Array;
  /** Queries after it that could see the token [L, Hkv, capacity]. */
  viewers: Float32Array;
  capacity: number;
  /** Of the newest query: mass on the first positions, entropy in nats [L, Hq], and its largest shares [L, Hq, 16]. */
  sinkMass: Float32Array;
  entropy: Float32Array;
  topPosition: Uint32Array;
  topShare: Float32Array;
  /** Newest row of a watched head by position. */
  watched?: { layer: number; queryHead: number; row: Float32Array };
}
export interface HeadCounts {
  layers: number;
  queryHeads: number;
  kvHeads: number;
}

export function createAttentionRecord({ layers, queryHeads, kvHeads }: HeadCounts, capacity: number): AttentionRecord {
  const heads = layers * queryHeads;
  return {
    received: new Float32Array(heads * capacity),
    own: new Float32Array(heads * capacity),
    viewers: new Float32Array(layers * kvHeads * capacity),
    capacity,
    sinkMass: new Float32Array(heads),
    entropy: new Float32Array(heads),
    topPosition: new Uint32Array(heads * topCount),
    topShare: new Float32Array(heads * topCount),
  };
}

/** Makes room for positions below `tokens`. */
export function growAttentionRecord(record: AttentionRecord, tokens: number): void {
  if (tokens <= record.capacity) return;
  const capacity = Math.max(tokens, record.capacity * 2);
  const widen = (old: Float32Array): Float32Array => {
    const rows = old.length / record.capacity;
    const wide = new Float32Array(rows * capacity);
    for (let r = 0; r < rows; r++) wide.set(old.subarray(r * record.capacity, (r + 1) * record.capacity), r * capacity);
    return wide;
  };
  record.received = widen(record.received);
  record.own = widen(record.own);
  record.viewers = widen(record.viewers);
  record.capacity = capacity;
}

/** Natural logarithm to about 1e-4 from the bits of a float and a table of its leading mantissa bits. */
const logBits = new Float32Array(1);
const logWord = new Uint32Array(logBits.buffer);
const logTable = Float32Array.from({ length: 2048 }, (_, i) => Math.log(1 + (i + 0.5) / 2048));
function quickLog(x: number): number {
  logBits[0] = x;
  const word = logWord[0]!;
  return ((word >>> 23) - 127) * Math.LN2 + logTable[(word >>> 12) & 2047]!;
}

/** Adds the rows of one layer and step. */
export function recordAttention(
  record: AttentionRecord,
  view: LayerView,
  { queryHeads, kvHeads }: HeadCounts,
  sinkCount: number,
): void {
  const { layer, cache, form, attention, position } = view;
  const { capacity } = record;
  const [Q, G] = [position.length, form.group];
  for (let h = 0; h < kvHeads; h++) {
    const table = cache.tables[h]!;
    const { start, fresh, count: C } = columnsOf(cache, form, h, Q);
    const column = new Int32Array(table.count);
    for (let e = 0; e < table.count; e++) column[e] = start[table.store.keys[e]!]! + table.slot.keys[e]!;
    const seenAt = (layer * kvHeads + h) * capacity;
    for (let e = 0; e < table.count; e++) record.viewers[seenAt + table.position[e]!]! += Q;
    for (let q = 0; q < Q; q++) record.viewers[seenAt + position[q]!]! += Q - 1 - q;
    const block = attention[form.apart ? h : 0]!;
    for (let member = 0; member < G; member++) {
      const head = layer * queryHeads + h * G + member;
      const received = record.received.subarray(head * capacity, (head + 1) * capacity);
      const own = record.own.subarray(head * capacity, (head + 1) * capacity);
      for (let q = 0; q < Q; q++) {
        const row = block.subarray(
          (((form.apart ? 0 : h) * G + member) * Q + q) * C,
          (((form.apart ? 0 : h) * G + member) * Q + q + 1) * C,
        );
        for (let e = 0; e < table.count; e++) received[table.position[e]!]! += row[column[e]!]!;
        for (let k = 0; k <= q; k++) received[position[k]!]! += row[fresh + k]!;
        own[position[q]!]! += row[fresh + q]!;
        if (q === Q - 1) newestRow(record, view, head, h * G + member, row, table.position, column, fresh, sinkCount);
      }
    }
  }
}

/** Scalars and largest shares of the newest query of one head. */
function newestRow(
  record: AttentionRecord,
  { layer, position }: LayerView,
  head: number,
  queryHead: number,
  row: Float32Array,
  held: Int32Array,
  column: Int32Array,
  fresh: number,
  sinkCount: number,
): void {
  const tops = record.topShare.subarray(head * topCount, (head + 1) * topCount).fill(0);
  const topsAt = record.topPosition.subarray(head * topCount, (head + 1) * topCount).fill(0);
  let sink = 0;
  let entropy = 0;
  let least = 0;
  const watched =
    record.watched?.layer === layer && record.watched.queryHead === queryHead
      ? new Float32Array(position[position.length - 1]! + 1)
      : undefined;
  const see = (p: number, at: number): void => {
    if (p <= 0) return;
    if (at < sinkCount) sink += p;
    if (p > 1e-9) entropy -= p * quickLog(p);
    if (watched) watched[at] = p;
    if (p <= least) return;
    let i = topCount - 1;
    while (i > 0 && tops[i - 1]! < p) {
      tops[i] = tops[i - 1]!;
      topsAt[i] = topsAt[i - 1]!;
      i--;
    }
    tops[i] = p;
    topsAt[i] = at;
    least = tops[topCount - 1]!;
  };
  for (let e = 0; e < column.length; e++) see(row[column[e]!]!, held[e]!);
  for (let k = 0; k < position.length; k++) see(row[fresh + k]!, position[k]!);
  record.sinkMass[head] = sink;
  record.entropy[head] = entropy;
  if (watched) record.watched = { layer, queryHead, row: watched };
}

/** The rows of one query head in a step, one for each new query, by absolute position. */
export function wholeRows({ cache, form, attention, position }: LayerView, queryHead: number): Float32Array[] {
  const kvHead = Math.floor(queryHead / form.group);
  const table = cache.tables[kvHead]!;
  const Q = position.length;
  const { start, fresh, count: C } = columnsOf(cache, form, kvHead, Q);
  const first = form.apart ? queryHead % form.group : queryHead;
  return Array.from({ length: Q }, (_, q) => {
    const row = attention[form.apart ? kvHead : 0]!.subarray((first * Q + q) * C, (first * Q + q + 1) * C);
    const out = new Float32Array(position[q]! + 1);
    for (let e = 0; e < table.count; e++)
      out[table.position[e]!] = row[start[table.store.keys[e]!]! + table.slot.keys[e]!]!;
    for (let k = 0; k <= q; k++) out[position[k]!] = row[fresh + k]!;
    return out;
  });
}

/** Attention received by each token [L, Hkv, T], summed over queries and over the query heads of a group. */
export function receivedByGroup(
  record: AttentionRecord,
  { layers, queryHeads, kvHeads }: HeadCounts,
  T: number,
): Float32Array {
  const out = new Float32Array(layers * kvHeads * T);
  const G = queryHeads / kvHeads;
  for (let head = 0; head < layers * queryHeads; head++) {
    const to = Math.floor(head / G) * T;
    for (let t = 0; t < T; t++) out[to + t]! += record.received[head * record.capacity + t]!;
  }
  return out;
}

/** Attention received per query that could see the token [L, Hq, T], its own query left out. */
export function receivedPerQuery(
  record: AttentionRecord,
  { layers, queryHeads, kvHeads }: HeadCounts,
  T: number,
): Float32Array {
  const out = new Float32Array(layers * queryHeads * T);
  const G = queryHeads / kvHeads;
  for (let head = 0; head < layers * queryHeads; head++)
    for (let t = 0; t < T; t++) {
      const viewers = record.viewers[Math.floor(head / G) * record.capacity + t]!;
      const from = head * record.capacity + t;
      out[head * T + t] = viewers ? (record.received[from]! - record.own[from]!) / viewers : 0;
    }
  return out;
}
