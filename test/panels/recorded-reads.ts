/** What a made-up run reads where its method reads only some pages: Quest in its simplest form, with the whole attention of one head. */
import { type Columns, links, type ReadColumn, readColumns, tiers } from 'kvlab/frame';

interface Size {
  layers: number;
  queryHeads: number;
  kvHeads: number;
  zones: number;
}

const pageSize = 16;
/** Pages that a head reads in a step, of those that it has. */
const pagesRead = 16;
/** Layers that read everything. */
const exactLayers = 2;
/** The head whose whole attention is kept. */
export const denseHead = { layer: 2, queryHead: 4 };

/** Gives the columns of each step after the other; `row` is the attention of the head that is kept. */
export function recordedReads({ layers, queryHeads, kvHeads, zones }: Size, random: () => number) {
  const heads = layers * kvHeads;
  const chosen = Array.from({ length: heads }, () => [] as number[]);
  let told = 0;
  return (step: number, seen: number, row: Float32Array, held: Float64Array): Columns => {
    const full = step > 0 ? Math.floor((seen - 1) / pageSize) : 0;
    const [pages, entries] = [new Uint16Array(heads), new Uint32Array(heads)];
    const list: number[] = [];
    for (let head = 0; head < heads; head++) {
      const before = chosen[head]!;
      chosen[head] = [];
      if (full <= pagesRead || head < exactLayers * kvHeads) {
        entries[head] = seen - 1;
        continue;
      }
      // Most pages stay from step to step.
      const kept = new Set(before.filter(() => random() < 0.8));
      while (kept.size < pagesRead) kept.add(Math.floor(random() * full));
      chosen[head] = [...kept];
      list.push(...kept);
      pages[head] = pagesRead;
      entries[head] = pagesRead * pageSize + ((seen - 1) % pageSize);
    }
    const mass = Float32Array.from({ length: layers * queryHeads }, (_, i) =>
      pages[Math.floor(i / (queryHeads / kvHeads))] ? 0.4 + 0.6 * random() : 1,
    );
    const now = Math.floor(seen / pageSize);
    const news = Array.from({ length: (now - told) * heads }, (_, i) => ({
      page: told + Math.floor(i / heads),
      head: i % heads,
    }));
    told = now;
    const bytes = held.reduce((a, b) => a + b, 0);
    const inTier = new Float64Array(tiers.length * held.length);
    inTier.set(held);
    return {
      ...column('fetch.pages', [1, layers, kvHeads], pages),
      ...column('fetch.entries', [1, layers, kvHeads], entries),
      ...column('fetch.held', [1, layers, kvHeads], new Uint32Array(heads).fill(seen - 1)),
      ...column('fetch.mass', [1, layers, queryHeads], mass),
      ...column('fetch.page', [list.length], Uint16Array.from(list)),
      ...column('fetch.score', [list.length], Float32Array.from(list, random)),
      ...column('dense.step', [1], Uint32Array.of(step)),
      ...column('dense.layer', [1], Uint8Array.of(denseHead.layer)),
      ...column('dense.queryHead', [1], Uint8Array.of(denseHead.queryHead)),
      ...column('dense.tokens', [1], Uint32Array.of(row.length)),
      ...column('dense.share', [row.length], row),
      ...column(
        'page.from',
        [now],
        Uint32Array.from({ length: now }, (_, page) => page * pageSize),
      ),
      ...column(
        'page.to',
        [now],
        Uint32Array.from({ length: now }, (_, page) => (page + 1) * pageSize),
      ),
      ...column('page.tier', [layers, kvHeads, now], new Uint8Array(heads * now)),
      ...column('move.step', [news.length], new Uint32Array(news.length).fill(step)),
      ...column(
        'move.layer',
        [news.length],
        Uint8Array.from(news, ({ head }) => Math.floor(head / kvHeads)),
      ),
      ...column(
        'move.kvHead',
        [news.length],
        Uint8Array.from(news, ({ head }) => head % kvHeads),
      ),
      ...column(
        'move.page',
        [news.length],
        Uint16Array.from(news, ({ page }) => page),
      ),
      ...column('move.from', [news.length], new Uint8Array(news.length).fill(255)),
      ...column('move.to', [news.length], new Uint8Array(news.length)),
      ...column('tier.held', [1, tiers.length], Float64Array.of(bytes, 0, 0)),
      ...column('tier.zones', [1, tiers.length, zones, held.length / zones], inTier),
      ...column('tier.moved', [1, links.length], new Float64Array(links.length)),
      ...column('tier.moves', [1, links.length], new Uint32Array(links.length)),
    };
  };
}

function column(name: ReadColumn, shape: number[], data: Columns[string]['data']): Columns {
  return { [name]: { lane: readColumns[name].lane, shape, data } };
}
