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

/** ln(1 + i/2048), for a logarithm to about 1e-4 from the bits of a float: exponent and leading bits of the mantissa. */
const logTable = Float64Array.from({ length: 2048 }, (_, i) => Math.log(1 + (i + 0.5) / 2048));

/** Where a row keeps its entries: columns, and the absolute position that each stands for; new keys last. */
interface Places {
  count: number;
  column: Int32Array;
  position: Int32Array;
}

/** Used again for every head: new arrays in each step would be megabytes for the collector. */
const places: Places = { count: 0, column: new Int32Array(0), position: new Int32Array(0) };

function placesOf({ cache, form, position }: LayerView, kvHead: number): Places {
  const table = cache.tables[kvHead]!;
  const { count } = table;
  places.count = count + position.length;
  if (places.count > places.column.length) {
    places.column = new Int32Array(2 * places.count);
    places.position = new Int32Array(2 * places.count);
  }
  const { column } = places;
  const { start, fresh } = columnsOf(cache, form, kvHead, position.length);
  places.position.set(table.position.subarray(0, count));
  places.position.set(position, count);
  const [stores, slots] = [table.store.keys, table.slot.keys];
  for (let e = 0; e < count; e++) column[e] = start[stores[e]!]! + slots[e]!;
  for (let q = 0; q < position.length; q++) column[count + q] = fresh + q;
  return places;
}

/** Adds the rows of one layer and step. */
export function recordAttention(
  record: AttentionRecord,
  view: LayerView,
  { queryHeads, kvHeads }: HeadCounts,
  sinkCount: number,
): void {
  const { layer, cache, form, attention, position } = view;
  const { capacity, received, own, viewers } = record;
  const [Q, G] = [position.length, form.group];
  for (let h = 0; h < kvHeads; h++) {
    const held = cache.tables[h]!.count;
    const { count: n, column, position: at } = placesOf(view, h);
    const seenBy = (layer * kvHeads + h) * capacity;
    for (let e = 0; e < held; e++) viewers[seenBy + at[e]!]! += Q;
    for (let q = 0; q < Q; q++) viewers[seenBy + position[q]!]! += Q - 1 - q;
    const block = attention[form.apart ? h : 0]!;
    const bits = new Uint32Array(block.buffer, block.byteOffset, block.length);
    const C = block.length / ((form.apart ? 1 : kvHeads) * G * Q);
    for (let member = 0; member < G; member++) {
      const head = layer * queryHeads + h * G + member;
      const to = head * capacity;
      for (let q = 0; q < Q; q++) {
        const from = (((form.apart ? 0 : h) * G + member) * Q + q) * C;
        own[to + position[q]!]! += block[from + column[held + q]!]!;
        if (q === Q - 1) newestRow(record, head, block, bits, from, sinkCount);
        else for (let e = 0; e < n; e++) received[to + at[e]!]! += block[from + column[e]!]!;
      }
      const watched = record.watched;
      if (watched?.layer === layer && watched.queryHead === h * G + member)
        watched.row = wholeRow(view, watched.queryHead, Q - 1);
    }
  }
}

/** The largest shares of the row that is read now, largest first. */
const tops = new Float64Array(topCount);
const topsAt = new Int32Array(topCount);

/** One pass over the newest row of a head, which starts at `from` in its block and has its entries at `places`: what each
 *  token received, the mass on the sinks, the entropy, the largest shares. `bits` are the same numbers as words. */
function newestRow(
  record: AttentionRecord,
  head: number,
  block: Float32Array,
  bits: Uint32Array,
  from: number,
  sinkCount: number,
): void {
  const { received, capacity } = record;
  const { count: n, column, position } = places;
  const to = head * capacity;
  tops.fill(0);
  topsAt.fill(0);
  let sink = 0;
  let entropy = 0;
  let least = 0;
  for (let e = 0; e < n; e++) {
    const c = from + column[e]!;
    const p = block[c]!;
    if (p <= 0) continue;
    const at = position[e]!;
    received[to + at]! += p;
    if (at < sinkCount) sink += p;
    const word = bits[c]!;
    entropy -= p * (((word >>> 23) - 127) * Math.LN2 + logTable[(word >>> 12) & 2047]!);
    if (p <= least) continue;
    let i = topCount - 1;
    while (i > 0 && tops[i - 1]! < p) {
      tops[i] = tops[i - 1]!;
      topsAt[i] = topsAt[i - 1]!;
      i--;
    }
    tops[i] = p;
    topsAt[i] = at;
    least = tops[topCount - 1]!;
  }
  record.topShare.set(tops, head * topCount);
  record.topPosition.set(topsAt, head * topCount);
  record.sinkMass[head] = sink;
  record.entropy[head] = entropy;
}

/** The rows of one query head in a step, one for each new query, by absolute position. */
export function wholeRows(view: LayerView, queryHead: number): Float32Array[] {
  return Array.from(view.position, (_, q) => wholeRow(view, queryHead, q));
}

/** The row of one new query of a head, by absolute position. */
export function wholeRow({ cache, form, attention, position }: LayerView, queryHead: number, q: number): Float32Array {
  const kvHead = Math.floor(queryHead / form.group);
  const table = cache.tables[kvHead]!;
  const Q = position.length;
  const { start, fresh, count: C } = columnsOf(cache, form, kvHead, Q);
  const first = form.apart ? queryHead % form.group : queryHead;
  const row = attention[form.apart ? kvHead : 0]!.subarray((first * Q + q) * C, (first * Q + q + 1) * C);
  const out = new Float32Array(position[q]! + 1);
  for (let e = 0; e < table.count; e++)
    out[table.position[e]!] = row[start[table.store.keys[e]!]! + table.slot.keys[e]!]!;
  for (let k = 0; k <= q; k++) out[position[k]!] = row[fresh + k]!;
  return out;
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
