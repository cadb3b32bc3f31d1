/** Where the live entries of each layer lie: pages of positions, derived from the events of the run. */
import { eventKinds, eventParts } from 'kvlab/frame';
import { latestColumn, logColumn, type Run, seenAtStep } from '../../store/run.ts';
import { gone } from '../../store/survival.ts';

/** Positions in one page of the map. */
export const pagePositions = 8;

export interface PageMap {
  layers: number;
  pages: number;
  /** First position of each page, and the one after the last page. */
  bounds: ArrayLike<number>;
  /** True for pages of the method, false for pages that only this map makes. */
  measured: boolean;
  /** Live entries of each page, all KV heads of the layer together, [layers, pages]. */
  live: Uint16Array;
  /** Entries that fit in the largest page. */
  room: number;
  /** Tier of each page, the nearest of its heads, [layers, pages]; 255 where no head has the page. Known after the newest step. */
  tier: Uint8Array | undefined;
  /** Pages that hold nothing, of those that tokens have reached. */
  free: number;
  /** Live entries by the room of pages that hold something. */
  fullness: number;
}

const made = new WeakMap<Run, { key: string; map: PageMap }>();

export function pageMap(run: Run, step: number): PageMap {
  const key = `${run.version} ${step}`;
  const known = made.get(run);
  if (known?.key === key) return known.map;
  const map = countPages(run, step);
  made.set(run, { key, map });
  return map;
}

function countPages(run: Run, step: number): PageMap {
  const { layers, kvHeads } = run.info.model;
  const seen = Math.min(run.texts.length, seenAtStep(run, step));
  const bounds = boundsOf(run, seen);
  const pages = bounds.length - 1;
  const pageOf = new Uint32Array(seen);
  for (let page = 0; page < pages; page++) pageOf.fill(page, bounds[page]!, bounds[page + 1]!);
  const live = new Uint16Array(layers * pages);
  const held = step === run.step ? newestHoldings(run) : holdingsAt(run, step, seen);
  for (let head = 0; head < layers * kvHeads; head++)
    for (let position = 0; position < seen; position++)
      if (held(head, position)) live[Math.floor(head / kvHeads) * pages + pageOf[position]!]! += 1;
  const largest = bounds.slice(1).reduce((most, end, page) => Math.max(most, end - bounds[page]!), 1);
  const room = largest * kvHeads;
  const used = live.reduce((count, n) => count + (n > 0 ? 1 : 0), 0);
  const entries = live.reduce((sum, n) => sum + n, 0);
  return {
    layers,
    pages,
    bounds,
    measured: latestColumn(run, 'page.from') !== undefined,
    live,
    room,
    tier: step === run.step ? tierOf(run, pages) : undefined,
    free: live.length - used,
    fullness: used ? entries / (used * room) : 0,
  };
}

/** Where pages begin: those of the method and one for what it has no page for yet, else pages of eight. */
function boundsOf(run: Run, seen: number): number[] {
  const own = latestColumn(run, 'page.from');
  const ends = latestColumn(run, 'page.to');
  if (!own || !ends || own.data.length === 0)
    return [...Array.from({ length: Math.max(1, Math.ceil(seen / pagePositions)) }, (_, i) => i * pagePositions), seen];
  const bounds = [...own.data, ends.data.at(-1)!].map((bound) => Math.min(seen, bound));
  if (bounds[0]! > 0) bounds.unshift(0);
  if (bounds.at(-1)! < seen) bounds.push(seen);
  return [...new Set(bounds)];
}

function tierOf(run: Run, pages: number): Uint8Array | undefined {
  const column = latestColumn(run, 'page.tier');
  if (!column) return undefined;
  const [layers, kvHeads, own] = column.shape as [number, number, number];
  const shift = (latestColumn(run, 'page.from')?.data[0] ?? 0) > 0 ? 1 : 0;
  const tier = new Uint8Array(layers * pages).fill(gone);
  for (let layer = 0; layer < layers; layer++)
    for (let page = 0; page < Math.min(own, pages - shift); page++)
      for (let head = 0; head < kvHeads; head++) {
        const at = layer * pages + page + shift;
        tier[at] = Math.min(tier[at]!, column.data[(layer * kvHeads + head) * own + page]!);
      }
  return tier;
}

function newestHoldings({ survival }: Run): (head: number, position: number) => boolean {
  const { keys, values, stride } = survival;
  return (head, position) => keys[head * stride + position] !== gone || values[head * stride + position] !== gone;
}

/** Who held what after an earlier step: all tokens enter, then events take them. */
function holdingsAt(run: Run, step: number, seen: number): (head: number, position: number) => boolean {
  const { layers, kvHeads } = run.info.model;
  const read = (name: 'step' | 'layer' | 'kvHead' | 'position' | 'kind' | 'part' | 'to') =>
    logColumn(run, `event.${name}`)?.data ?? [];
  const [at, layer, kvHead, position, kind, part, to] = [
    read('step'),
    read('layer'),
    read('kvHead'),
    read('position'),
    read('kind'),
    read('part'),
    read('to'),
  ];
  const parts = new Uint8Array(layers * kvHeads * seen).fill(3);
  const readKind = eventKinds.indexOf('read');
  const bits = eventParts.map((name) => ({ keys: 1, values: 2, both: 3 })[name]);
  const rows = logColumn(run, 'event.step')?.rows ?? 0;
  for (let row = 0; row < rows && at[row]! <= step; row++) {
    if (kind[row] === readKind || position[row]! >= seen) continue;
    const entry = (layer[row]! * kvHeads + kvHead[row]!) * seen + position[row]!;
    const bit = bits[part[row]!]!;
    parts[entry] = to[row] === gone ? parts[entry]! & ~bit : parts[entry]! | bit;
  }
  return (head, p) => parts[head * seen + p] !== 0;
}
