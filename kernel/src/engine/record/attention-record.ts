/** Reduces attention rows to what panels need while they pass by: sums, entropies and the largest shares, never whole rows.
 *
 *  Rows of a step are read in one pass over all heads; what a run keeps is [L, Hq, T] sums and [S, L, Hq] scalars. */
import { columnsOf } from '../attend/columns.ts';
import type { LayerView } from '../run/step-observer.ts';
import { topCount } from './frame.ts';

export interface AttentionRecord {
  /** For each token [L, Hkv, capacity, G+1]: what it received so far from each query head of the group, its own query
   *  included, and then how many queries after it could see it. One line of memory holds all that a step adds to a token. */
  sums: Float32Array;
  /** The part of what it received that comes from the token's own query [L, Hq, capacity]. */
  own: Float32Array;
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
    sums: new Float32Array((heads + layers * kvHeads) * capacity),
    own: new Float32Array(heads * capacity),
    capacity,
    sinkMass: new Float32Array(heads),
    entropy: new Float32Array(heads),
    topPosition: new Uint32Array(heads * topCount),
    topShare: new Float32Array(heads * topCount),
  };
}

/** Makes room for positions below `tokens`. */
export function growAttentionRecord(
  record: AttentionRecord,
  { layers, queryHeads, kvHeads }: HeadCounts,
  tokens: number,
): void {
  if (tokens <= record.capacity) return;
  const capacity = Math.max(tokens, record.capacity * 2);
  const widen = (old: Float32Array, rows: number): Float32Array => {
    const [narrow, wide] = [old.length / rows, (old.length / rows / record.capacity) * capacity];
    const grown = new Float32Array(rows * wide);
    for (let r = 0; r < rows; r++) grown.set(old.subarray(r * narrow, (r + 1) * narrow), r * wide);
    return grown;
  };
  record.sums = widen(record.sums, layers * kvHeads);
  record.own = widen(record.own, layers * queryHeads);
  record.capacity = capacity;
}

/** ln(1 + i/2048), for a logarithm to about 1e-4 from the bits of a float: exponent and leading bits of the mantissa. */
const logTable = Float32Array.from({ length: 2048 }, (_, i) => Math.log(1 + (i + 0.5) / 2048));

/** Where a row has its entries; columns of empty slots have a share of 0. */
interface Places {
  /** Absolute position that each column stands for [C], where it holds an entry. */
  position: Int32Array;
  /** Column of each position, -1 where it is not held: sums are walked in the order of memory. */
  column: Int32Array;
  /** Columns of the first positions. */
  sinks: number[];
  /** First column of the new keys, and the number of all. */
  fresh: number;
  count: number;
}

/** Used again for every head: new arrays in each step would be megabytes for the collector. */
const places: Places = {
  position: new Int32Array(0),
  column: new Int32Array(0),
  sinks: [],
  fresh: 0,
  count: 0,
};

function placesOf({ cache, form, position }: LayerView, kvHead: number, sinkCount: number): Places {
  const table = cache.tables[kvHead]!;
  const { start, fresh, count } = columnsOf(cache, form, kvHead, position.length);
  const seen = position[position.length - 1]! + 1;
  if (count > places.position.length) places.position = new Int32Array(2 * count);
  if (seen > places.column.length) places.column = new Int32Array(2 * seen);
  const [at, columnOf] = [places.position, places.column.fill(-1, 0, seen)];
  const [stores, slots] = [table.store.keys, table.slot.keys];
  for (let e = 0; e < table.count; e++) {
    const column = start[stores[e]!]! + slots[e]!;
    at[column] = table.position[e]!;
    columnOf[table.position[e]!] = column;
  }
  for (const [q, t] of position.entries()) {
    at[fresh + q] = t;
    columnOf[t] = fresh + q;
  }
  places.sinks.length = 0;
  for (let t = 0; t < Math.min(sinkCount, seen); t++) if (columnOf[t]! >= 0) places.sinks.push(columnOf[t]!);
  places.fresh = fresh;
  places.count = count;
  return places;
}

/** Adds the rows of one layer and step. */
export function recordAttention(
  record: AttentionRecord,
  view: LayerView,
  { queryHeads, kvHeads }: HeadCounts,
  sinkCount: number,
): void {
  const { layer, form, attention, position } = view;
  const { capacity, sums, own } = record;
  const [Q, G] = [position.length, form.group];
  for (let h = 0; h < kvHeads; h++) {
    const { fresh, count: C } = placesOf(view, h, sinkCount);
    const block = attention[form.apart ? h : 0]!;
    const words = new Int32Array(block.buffer, block.byteOffset, block.length);
    const first = (form.apart ? 0 : h) * G * Q * C;
    const to = (layer * kvHeads + h) * capacity * (G + 1);
    for (let q = 0; q < Q; q++) addRows({ sums, to, G, position: position[q]! }, block, first + q * C, Q * C);
    for (let member = 0; member < G; member++) {
      const head = layer * queryHeads + h * G + member;
      const from = first + member * Q * C;
      for (let q = 0; q < Q; q++) own[head * capacity + position[q]!]! += block[from + q * C + fresh + q]!;
      const newest = from + (Q - 1) * C;
      const row = block.subarray(newest, newest + C);
      record.entropy[head] = entropyOf(row, words.subarray(newest, newest + C));
      record.sinkMass[head] = places.sinks.reduce((mass, c) => mass + row[c]!, 0);
      recordTops(record, head, row);
      const watched = record.watched;
      if (watched?.layer === layer && watched.queryHead === h * G + member)
        watched.row = wholeRow(view, watched.queryHead, Q - 1);
    }
  }
}

/** Adds the rows of a group for the query at `position` to what tokens received, and counts it for those before it; rows
 *  are `apart` from each other. */
function addRows(
  { sums, to, G, position }: { sums: Float32Array; to: number; G: number; position: number },
  block: Float32Array,
  from: number,
  apart: number,
): void {
  const { column } = places;
  for (let t = 0; t <= position; t++) {
    const c = column[t]!;
    if (c < 0) continue;
    const token = to + t * (G + 1);
    for (let member = 0; member < G; member++) sums[token + member]! += block[from + c + member * apart]!;
    if (t < position) sums[token + G]! += 1;
  }
}

/** Entropy of a row in nats; `words` are the same numbers as bits. Four sums at once, so that none waits for another. */
function entropyOf(row: Float32Array, words: Int32Array): number {
  const count = row.length;
  const whole = count & ~3;
  let [a, b, c, d] = [0, 0, 0, 0];
  const ln = (word: number) => ((word >> 23) - 127) * Math.LN2 + logTable[(word >> 12) & 2047]!;
  for (let i = 0; i < whole; i += 4) {
    a -= row[i]! * ln(words[i]!);
    b -= row[i + 1]! * ln(words[i + 1]!);
    c -= row[i + 2]! * ln(words[i + 2]!);
    d -= row[i + 3]! * ln(words[i + 3]!);
  }
  for (let i = whole; i < count; i++) a -= row[i]! * ln(words[i]!);
  return a + b + c + d;
}

/** The largest shares of the row that is read now, largest first, and their columns. */
const tops = new Float64Array(topCount);
const topsIn = new Int32Array(topCount);

/** Finds the shares above `least`, at most as many as there is room for. */
function findTops(row: Float32Array, least: number): void {
  const count = row.length;
  tops.fill(0);
  for (let c = 0; c < count; c++) {
    const p = row[c]!;
    if (p <= least) continue;
    let i = topCount - 1;
    while (i > 0 && tops[i - 1]! < p) {
      tops[i] = tops[i - 1]!;
      topsIn[i] = topsIn[i - 1]!;
      i--;
    }
    tops[i] = p;
    topsIn[i] = c;
    least = Math.max(least, tops[topCount - 1]!);
  }
}

function recordTops(record: AttentionRecord, head: number, row: Float32Array): void {
  const first = head * topCount;
  // The row before says about how large they are: most shares are then passed over at once.
  const guess = record.topShare[first + topCount - 1]! / 2;
  findTops(row, guess);
  if (guess > 0 && tops[topCount - 1] === 0) findTops(row, 0);
  record.topShare.set(tops, first);
  for (let i = 0; i < topCount; i++) record.topPosition[first + i] = tops[i]! > 0 ? places.position[topsIn[i]!]! : 0;
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
  for (let h = 0; h < layers * kvHeads; h++)
    for (let t = 0; t < T; t++) {
      const token = (h * record.capacity + t) * (G + 1);
      for (let member = 0; member < G; member++) out[h * T + t]! += record.sums[token + member]!;
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
      const token = (Math.floor(head / G) * record.capacity + t) * (G + 1);
      const viewers = record.sums[token + G]!;
      const received = record.sums[token + (head % G)]!;
      out[head * T + t] = viewers ? (received - record.own[head * record.capacity + t]!) / viewers : 0;
    }
  return out;
}
