/** Where the live entries of each layer lie: pages of positions, derived from the events of the run. */
import { eventKinds, eventParts } from 'kvlab/frame';
import { logColumn, type Run, seenAtStep } from '../../store/run.ts';
import { gone } from '../../store/survival.ts';

/** Positions in one page of the map. */
export const pagePositions = 8;

export interface PageMap {
  layers: number;
  pages: number;
  /** Live entries of each page, all KV heads of the layer together, [layers, pages]. */
  live: Uint16Array;
  /** Entries that fit in one page. */
  room: number;
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
  const pages = Math.max(1, Math.ceil(seen / pagePositions));
  const live = new Uint16Array(layers * pages);
  const held = step === run.step ? newestHoldings(run) : holdingsAt(run, step, seen);
  for (let head = 0; head < layers * kvHeads; head++)
    for (let position = 0; position < seen; position++)
      if (held(head, position)) live[Math.floor(head / kvHeads) * pages + Math.floor(position / pagePositions)]! += 1;
  const room = pagePositions * kvHeads;
  const used = live.reduce((count, n) => count + (n > 0 ? 1 : 0), 0);
  const entries = live.reduce((sum, n) => sum + n, 0);
  return { layers, pages, live, room, free: live.length - used, fullness: used ? entries / (used * room) : 0 };
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
