/** Closing pages: after a step, segments that a head now holds whole become pages, and each is summed up once. */
import type { Bound } from '@kvlab/ops';
import { type RotaryTable, rotateRow } from '../attend/rotary.ts';
import type { CacheLayer } from '../cache/layer.ts';
import { addPage, tierNumber, type ZonePages } from '../cache/pages.ts';
import { readRow } from '../keep/score.ts';
import type { Operate } from '../operate/operate.ts';
import type { Segments } from './segments.ts';

export interface ClosedPage {
  layer: number;
  kvHead: number;
  zone: ZonePages;
  /** Index among the pages of the head. */
  page: number;
  segment: number;
}

/** Closes what can be closed in all layers, in the order of the text, and computes the summaries in as few calls as there
 *  are lengths of pages. */
export async function closePages(
  layers: readonly CacheLayer[],
  segments: Segments,
  operate: Operate,
  rotary: RotaryTable,
): Promise<ClosedPage[]> {
  const closed: (ClosedPage & { entries: number[] })[] = [];
  layers.forEach((cache, layer) => {
    for (const zone of cache.pages)
      zone.heads.forEach((pages, kvHead) => {
        for (const { segment, entries } of newlyWhole(cache, zone, kvHead, segments)) {
          const names = Object.keys(zone.place.summary?.operator.outputs ?? {});
          const tier = tierNumber(zone.place.tier);
          const page = addPage(pages, segment, entries.length, tier, cache.shape.headSize, names);
          closed.push({ layer, kvHead, zone, page, segment, entries });
        }
      });
  });
  const alike = new Map<string, typeof closed>();
  for (const page of closed) {
    if (!page.zone.place.summary) continue;
    const key = `${page.zone.zone}|${page.entries.length}`;
    alike.set(key, [...(alike.get(key) ?? []), page]);
  }
  for (const pages of alike.values()) await sumUp(layers, pages, operate, rotary);
  return closed;
}

/** Segments that a head holds in the zone and that nothing can be added to any more. */
function newlyWhole({ tables }: CacheLayer, { zone, from, heads }: ZonePages, kvHead: number, segments: Segments) {
  const { count, position, zone: zones } = tables[kvHead]!;
  const pages = heads[kvHead]!;
  let next = pages.count ? pages.segment[pages.count - 1]! + 1 : 0;
  if (next >= segments.to.length) return [];
  let frontier = segments.of.length;
  const members = new Map<number, number[]>();
  for (let e = 0; e < count; e++) {
    const own = zones.keys[e]!;
    if (from.includes(own)) frontier = Math.min(frontier, position[e]!);
    const segment = own === zone ? segments.of[position[e]!]! : -1;
    if (segment < next) continue;
    const list = members.get(segment);
    if (list) list.push(e);
    else members.set(segment, [e]);
  }
  const out: { segment: number; entries: number[] }[] = [];
  for (; next < segments.to.length && !segments.open[next] && segments.to[next]! <= frontier; next++) {
    const entries = members.get(next);
    if (entries) out.push({ segment: next, entries: entries.sort((a, b) => position[a]! - position[b]!) });
  }
  return out;
}

/** Runs the summary operator over pages of one zone and one length, as if each were a head of its own. */
async function sumUp(
  layers: readonly CacheLayer[],
  pages: readonly (ClosedPage & { entries: number[] })[],
  operate: Operate,
  rotary: RotaryTable,
): Promise<void> {
  const { zone } = pages[0]!;
  const summary = zone.place.summary as Bound;
  const T = pages[0]!.entries.length;
  const { headSize: D, rotated, zones, attend } = layers[pages[0]!.layer]!.shape;
  // A query meets them rotated where the rule of their zone says that keys stand where they stood.
  const turn = !rotated && attend.ruleOf(zones[zone.zone]!).storesRotated;
  const inputs: Record<string, { dims: number[]; data: Float32Array }> = {};
  for (const name of Object.keys(summary.operator.inputs)) {
    const width = name === 'score' ? 1 : D;
    const data = new Float32Array(pages.length * T * width);
    for (const [i, { layer, kvHead, entries }] of pages.entries()) {
      const cache = layers[layer]!;
      const table = cache.tables[kvHead]!;
      for (const [t, e] of entries.entries()) {
        const at = (i * T + t) * width;
        if (name === 'score') data[at] = table.columns.get('score')?.[e] ?? 0;
        else {
          const row = data.subarray(at, at + D);
          readRow(cache, kvHead, name as 'keys' | 'values', e, row);
          if (turn && name === 'keys') row.set(rotateRow(row, table.position[e]!, rotary));
        }
      }
    }
    inputs[name] = { dims: name === 'score' ? [pages.length, T] : [pages.length, T, D], data };
  }
  const sizes = { Hkv: pages.length, Hq: pages.length, G: 1, D };
  const results = await operate(summary, inputs, undefined, { sizes });
  for (const name of Object.keys(summary.operator.outputs))
    for (const [i, { kvHead, page, zone: own }] of pages.entries()) {
      const row = Float32Array.from(results[name]!.data.subarray(i * D, (i + 1) * D));
      own.heads[kvHead]!.summary.get(name)!.set(row, page * D);
    }
}
