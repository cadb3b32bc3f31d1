/** What a run reads, page by page, and where its rows lie: the columns of `readColumns`. Only for methods that read a part,
 *  keep pages, or have more tiers than one. */
import type { Method } from '@kvlab/ops';
import { columnsOf } from '../attend/columns.ts';
import { rotateRow } from '../attend/rotary.ts';
import type { Ledger } from '../cache/ledger.ts';
import { estimatedMs } from '../cache/traffic.ts';
import { readRow } from '../keep/score.ts';
import type { Sequence } from '../run/sequence.ts';
import type { LayerView } from '../run/step-observer.ts';
import { wholeRow } from './attention-record.ts';
import { byteParts, type Columns, links, type ReadColumn, tiers } from './frame.ts';

/** The newest read of one KV head. */
interface HeadRead {
  /** Segments of the fetched pages, best first, with their scores; none where everything was read. */
  pages: readonly number[];
  scores: readonly number[];
  entries: number;
  held: number;
}
export interface ReadRecord {
  /** [L][Hkv]. */
  reads: HeadRead[][];
  /** [L, Hq], NaN where it was not measured. */
  mass: Float32Array;
  /** Attention over all that is held, by absolute position: rows of this step, in the order of the heads. */
  dense: { layer: number; queryHead: number; row: Float32Array }[];
  /** Newest score of each page by segment, [L][Hkv]. */
  scores: Map<number, number>[][];
  /** Tier of each page as it was last told, by segment, [L][Hkv]. */
  told: Map<number, number>[][];
}

/** A page that a head does not have. */
const nowhere = 255;
/** Products of numbers that a step may spend on measuring what it did not read. */
const mostProducts = 4e6;

/** True where a run of this method has anything to say here. */
export const readsOrPlaces = ({ zones, fetchOf, placeOf }: Method): boolean =>
  zones.some((zone) => !fetchOf(zone).neutral || !placeOf(zone).neutral);

export function createReadRecord(layers: number, queryHeads: number, kvHeads: number): ReadRecord {
  const each = <A>(make: () => A): A[][] => Array.from({ length: layers }, () => Array.from({ length: kvHeads }, make));
  return {
    reads: each(() => ({ pages: [], scores: [], entries: 0, held: 0 })),
    mass: new Float32Array(layers * queryHeads).fill(Number.NaN),
    dense: [],
    scores: each(() => new Map()),
    told: each(() => new Map()),
  };
}

/** Notes what a layer read in this call; later calls of a step replace earlier ones. Heads that are `wanted` keep the row of
 *  their attention over all that is held. */
export function recordRead(
  record: ReadRecord,
  view: LayerView,
  sequence: Sequence,
  wanted: (queryHead: number) => boolean,
): void {
  const { layer, cache, whole, read, form } = view;
  for (const [h, table] of whole.tables.entries()) {
    const [entries, held] = [cache.tables[h]!.count, table.count];
    const pages: number[] = [];
    const scores: number[] = [];
    for (const { zone, choices } of read.zones) {
      const { segment } = zone.heads[h]!;
      const { pages: chosen, score } = choices[h]!;
      score.forEach((value, page) => {
        if (!Number.isNaN(value)) record.scores[layer]![h]!.set(segment[page]!, value);
      });
      if (entries < held)
        for (const page of chosen) {
          pages.push(segment[page]!);
          scores.push(score[page]!);
        }
    }
    record.reads[layer]![h] = { pages, scores, entries, held };
  }
  const { queryHeads, layers, headSize } = sequence.model.config;
  const cost = sequence.ids.length * queryHeads * headSize;
  const every = Math.ceil(layers / Math.max(1, Math.floor(mostProducts / Math.max(1, cost))));
  const measured = (sequence.step + layer) % every === 0;
  record.dense = record.dense.filter((own) => own.layer !== layer);
  for (let head = 0; head < queryHeads; head++) {
    const kvHead = Math.floor(head / form.group);
    const { entries, held } = record.reads[layer]![kvHead]!;
    const row = wanted(head) ? wholeRow(view, head, view.position.length - 1) : undefined;
    const share = entries === held ? 1 : measured || row ? massRead(view, sequence, head, row) : Number.NaN;
    record.mass[layer * queryHeads + head] = share;
    if (row && !Number.isNaN(share)) record.dense.push({ layer, queryHead: head, row });
  }
}

/** Share of the attention over all that is held that falls on what was read, for the newest query of a head. What is not
 *  read is compared with the query's own key, whose share is known. A `row` of what was read becomes the row of all. NaN, and
 *  the row of no use, where rows lie in a file or have no fixed place. */
function massRead(
  { whole, cache, read, form, queries, keys, attention, position }: LayerView,
  { rotary }: Sequence,
  head: number,
  row?: Float32Array,
): number {
  const { headSize: D, attend, zones, rotated } = whole.shape;
  const [Q, kvHead] = [position.length, Math.floor(head / form.group)];
  const table = whole.tables[kvHead]!;
  const q = queries.subarray((head * Q + Q - 1) * D, (head * Q + Q) * D);
  const { count, fresh } = columnsOf(cache, form, kvHead, Q);
  const block = attention[form.apart ? kvHead : 0]!;
  const from = ((form.apart ? head % form.group : head) * Q + Q - 1) * count;
  const own = block[from + fresh + Q - 1]!;
  if (!(own > 1e-20)) return Number.NaN;
  const k = keys.subarray((kvHead * Q + Q - 1) * D, (kvHead * Q + Q) * D);
  // At equal positions the rotations of query and key cancel.
  const reference = dot(q, k) - Math.log(own);
  const at = position[Q - 1]!;
  const queryFor = (zone: number): Float32Array | undefined => {
    const rule = attend.ruleOf(zones[zone]!);
    if (rule.storesRotated) return rotated ? rotateRow(q, at, rotary) : undefined;
    if (!rule.ownQueries) return undefined;
    const alone = { position: new Int32Array(0), rank: new Int32Array(0) };
    const news = { position: Int32Array.of(at), readBefore: 0, visibleBefore: Int32Array.of(at) };
    return rotateRow(q, rule.place(alone, news, false).queries[0]!, rotary);
  };
  const turned = new Map(whole.pages.map(({ zone }) => [zone, queryFor(zone)]));
  const seen = new Set(read.reading.origin?.[kvHead] ?? []);
  const key = new Float32Array(D);
  let missed = 0;
  for (let e = 0; e < table.count; e++) {
    if (seen.has(e)) continue;
    const query = turned.get(table.zone.keys[e]!);
    if (!query || table.slot.keys[e]! < 0) return Number.NaN;
    readRow(whole, kvHead, 'keys', e, key);
    const worth = table.weight[e]! * Math.exp(dot(query, key) - reference);
    if (row) row[table.position[e]!] = worth;
    missed += worth;
  }
  const share = 1 / (1 + missed);
  row?.forEach((worth, position) => {
    row[position] = worth * share;
  });
  return share;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}

type Log = (column: ReadColumn) => { push(value: number): void; pushRow(row: ArrayLike<number>): void };

/** Closes a step: one row for each step column, and rows for what was fetched and moved. */
export function closeReadStep(record: ReadRecord, sequence: Sequence, ledger: Ledger, log: Log): void {
  const all = record.reads.flat();
  log('fetch.pages').pushRow(all.map(({ pages }) => pages.length));
  log('fetch.entries').pushRow(all.map(({ entries }) => entries));
  log('fetch.held').pushRow(all.map(({ held }) => held));
  log('fetch.mass').pushRow(record.mass);
  for (const { pages, scores } of all)
    for (const [i, page] of pages.entries()) {
      log('fetch.page').push(page);
      log('fetch.score').push(scores[i]!);
    }
  for (const { layer, queryHead, row } of record.dense) {
    log('dense.step').push(Math.max(0, sequence.step));
    log('dense.layer').push(layer);
    log('dense.queryHead').push(queryHead);
    log('dense.tokens').push(row.length);
    for (const share of row) log('dense.share').push(share);
  }
  record.dense = [];
  eachPage(sequence, (layer, kvHead, page, tier) => {
    const told = record.told[layer]![kvHead]!;
    const before = told.get(page) ?? nowhere;
    if (before === tier) return;
    told.set(page, tier);
    log('move.step').push(Math.max(0, sequence.step));
    log('move.layer').push(layer);
    log('move.kvHead').push(kvHead);
    log('move.page').push(page);
    log('move.from').push(before);
    log('move.to').push(tier);
  });
  const { traffic, links: models } = sequence.reads;
  log('tier.held').pushRow(ledger.tiers);
  log('tier.zones').pushRow(ledger.places);
  log('tier.moved').pushRow(traffic.bytes);
  log('tier.moves').pushRow(traffic.moves);
  log('tier.estimatedMs').push(estimatedMs(traffic, models));
  log('tier.committed').push(ledger.committed);
}

/** Every page of every head: its segment, and the tier nearest to the runtime that has its rows. */
function eachPage(
  { layers }: Sequence,
  visit: (layer: number, kvHead: number, segment: number, tier: number, lastRead: number) => void,
): void {
  const device = tiers.indexOf('device');
  layers.forEach(({ pages }, layer) => {
    for (const { heads } of pages)
      heads.forEach(({ count, segment, tier, pool, lastRead }, kvHead) => {
        for (let page = 0; page < count; page++)
          visit(layer, kvHead, segment[page]!, pool.has(page) ? device : tier[page]!, lastRead[page]!);
      });
  });
}

/** Pages as they are now. */
export function readStateColumns(record: ReadRecord, sequence: Sequence): Columns {
  const { segments } = sequence.reads;
  const { layers, kvHeads } = sequence.model.config;
  const P = segments?.from.length ?? 0;
  if (!P) return {};
  const size = layers * kvHeads * P;
  const [score, tier, lastRead] = [
    new Float32Array(size).fill(Number.NaN),
    new Uint8Array(size).fill(nowhere),
    new Int32Array(size).fill(-1),
  ];
  eachPage(sequence, (layer, kvHead, segment, where, read) => {
    const at = (layer * kvHeads + kvHead) * P + segment;
    tier[at] = where;
    lastRead[at] = read;
    score[at] = record.scores[layer]![kvHead]!.get(segment) ?? Number.NaN;
  });
  const state = (shape: number[], data: Columns[string]['data']) => ({ lane: 'state' as const, shape, data });
  return {
    'page.from': state([P], Uint32Array.from(segments!.from)),
    'page.to': state([P], Uint32Array.from(segments!.to)),
    'page.score': state([layers, kvHeads, P], score),
    'page.tier': state([layers, kvHeads, P], tier),
    'page.lastRead': state([layers, kvHeads, P], lastRead),
  };
}

/** Behind the first axis of the step columns. */
export const readShapes = (
  layers: number,
  queryHeads: number,
  kvHeads: number,
  zones: number,
): Partial<Record<ReadColumn, number[]>> => ({
  'fetch.pages': [layers, kvHeads],
  'fetch.entries': [layers, kvHeads],
  'fetch.held': [layers, kvHeads],
  'fetch.mass': [layers, queryHeads],
  'tier.held': [tiers.length],
  'tier.zones': [tiers.length, zones, byteParts.length],
  'tier.moved': [links.length],
  'tier.moves': [links.length],
});
