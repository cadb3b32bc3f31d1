/** What a step reads of a layer: pages are chosen, brought to the device where they lie elsewhere, and gathered. */
import type { RotaryTable } from '../attend/rotary.ts';
import type { CacheLayer } from '../cache/layer.ts';
import { type HeadPages, onDisk, type PageRows, pageOfEntries, rowBytes, type ZonePages } from '../cache/pages.ts';
import { count, type Traffic } from '../cache/traffic.ts';
import type { Operate } from '../operate/operate.ts';
import type { PageFile } from '../runtime/platform.ts';
import { type Choice, choose } from './choose.ts';
import { type Reading, readingOf } from './reading.ts';
import { readRows, takeRows } from './rows.ts';
import type { Segments } from './segments.ts';

/** What the step knows. */
export interface ReadMoment {
  /** Name of the method, for messages. */
  method: string;
  layer: number;
  step: number;
  /** [Hkv, G*Q, D] times 1/sqrt(D), not rotated. */
  queries: Float32Array;
  position: Int32Array;
  group: number;
  /** The prompt is being read. */
  inPrompt: boolean;
  /** Most entries that a head may read, by zone. */
  most: ReadonlyMap<number, number>;
  segments: Segments;
  traffic: Traffic;
  operate: Operate;
  rotary: RotaryTable;
  /** The file of pages, if the cache has one. */
  file(): Promise<PageFile>;
}
/** A choice, and what the page table becomes once the step is done. */
export interface LayerRead {
  reading: Reading;
  zones: { zone: ZonePages; choices: readonly Choice[] }[];
  /** Moves the copies on the device and notes what was read; called when the step is committed. */
  commit(): void;
}

/** Reads everything where no zone is fetched in part or lies elsewhere. Nothing of the layer changes before `commit`. */
export async function readLayer(cache: CacheLayer, moment: ReadMoment): Promise<LayerRead> {
  const whole: LayerRead = { reading: { cache }, zones: [], commit() {} };
  const inPart = ({ fetch }: ZonePages) =>
    fetch.by !== undefined && moment.layer >= fetch.fromLayer && !(fetch.answerOnly && moment.inPrompt);
  const asked = cache.pages.filter((zone) => zone.place.tier === 'host' || inPart(zone));
  if (asked.length === 0) return whole;
  const { tables } = cache;
  const skipped = tables.map(({ count: entries }) => new Uint8Array(entries));
  const copies = tables.map(() => new Map<number, { rows: PageRows; at: number }>());
  const commits: (() => void)[] = [];
  const out: LayerRead = {
    ...whole,
    commit() {
      for (const commit of commits) commit();
    },
  };
  for (const zone of asked) {
    const pages = tables.map((table, h) => pageOfEntries(zone, zone.heads[h]!, table, moment.segments.of));
    const besides = tables.map(({ count: entries }, h) => entries - pages[h]!.inPages);
    const most = moment.most.get(zone.zone) ?? Number.POSITIVE_INFINITY;
    const choices = await choose(cache, zone, { ...moment, all: !inPart(zone), most, besides });
    out.zones.push({ zone, choices });
    for (const [h, head] of zone.heads.entries()) {
      const { page } = pages[h]!;
      const chosen = choices[h]!.pages;
      const entriesOf = new Map(chosen.map((p) => [p, [] as number[]]));
      for (let e = 0; e < page.length; e++) {
        const p = page[e]!;
        if (p < 0) continue;
        const entries = entriesOf.get(p);
        if (entries) entries.push(e);
        else skipped[h]![e] = 1;
      }
      const brought = zone.place.tier === 'host' ? await bring(cache, zone, h, entriesOf, moment) : undefined;
      for (const [p, rows] of brought ?? [])
        for (const e of entriesOf.get(p)!)
          copies[h]!.set(e, { rows, at: rows.position.indexOf(tables[h]!.position[e]!) });
      commits.push(() => {
        for (const p of chosen) head.lastRead[p] = moment.step;
        if (brought) keepInPool(head, brought, zone.place.pool);
      });
    }
  }
  if (skipped.every((list) => !list.includes(1)) && copies.every(({ size }) => size === 0)) return out;
  const origin = skipped.map(unskipped);
  out.reading = readingOf(cache, origin, (h, e) => copies[h]!.get(e));
  return out;
}

/** Entries that are not skipped. */
function unskipped(skipped: Uint8Array): Int32Array {
  const out = new Int32Array(skipped.length);
  let n = 0;
  for (let e = 0; e < skipped.length; e++) if (!skipped[e]) out[n++] = e;
  return out.subarray(0, n);
}

/** Copies on the device of the chosen pages: from the pool, from the host, or from the file by way of the host. */
async function bring(
  cache: CacheLayer,
  zone: ZonePages,
  kvHead: number,
  entriesOf: ReadonlyMap<number, number[]>,
  { method, layer, traffic, file }: ReadMoment,
): Promise<Map<number, PageRows>> {
  const head = zone.heads[kvHead]!;
  const out = new Map<number, PageRows>();
  for (const [page, entries] of entriesOf) {
    let rows = head.pool.get(page);
    if (!rows) {
      if (head.tier[page] === onDisk) {
        const { shape } = cache;
        const name = shape.zones[zone.zone]!;
        const where = `${method}: place on host and disk, zone ${name}, page ${head.segment[page]} of layer ${layer}, KV head ${kvHead}`;
        const store = (part: 'keys' | 'values') => cache.stores[part][shape.storeOf[part][zone.zone]!]!;
        const stores = { keys: store('keys'), values: store('values') };
        rows = await readRows(head.file.get(page)!, await file(), stores, where);
        count(traffic, 'disk', 'host', rowBytes(rows));
      } else rows = takeRows(cache, kvHead, entries);
      count(traffic, 'host', 'device', rowBytes(rows));
    }
    out.set(page, rows);
  }
  return out;
}

/** The pages of this step and, while there is room, those that were read last. A map gives its oldest first. */
function keepInPool(head: HeadPages, brought: ReadonlyMap<number, PageRows>, most: number): void {
  for (const [page, rows] of brought) {
    head.pool.delete(page);
    head.pool.set(page, rows);
  }
  for (const page of head.pool.keys()) {
    if (head.pool.size <= most) break;
    head.pool.delete(page);
  }
}
