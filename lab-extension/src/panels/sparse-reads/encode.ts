/** Sparse reads as data: which pages a head read in each step, and how much of the attention they hold. */
import type { ReadColumn } from 'kvlab/frame';
import { type Run, rowAtStep } from '../../store/run.ts';
import { type DenseRows, denseHeads, denseRows } from './dense.ts';

/** Cells of the map. What was read is `cellRead` plus its place among the pages of its step, best first. */
export const cellUnborn = 0;
export const cellSkipped = 1;
/** Read, and in no page: the newest tokens, sinks, a window. */
export const cellAlways = 2;
export const cellRead = 3;

export interface PageRead {
  page: number;
  /** 0 is the best of its step. */
  rank: number;
}
export interface ReadRow {
  step: number;
  seen: number;
  /** Pages in the order of their scores; undefined where all was read. */
  pages: readonly PageRead[] | undefined;
  /** Share of the entries that was read. */
  keys: number;
  /** Share of the attention over all that lies on what was read; NaN where it was not measured. */
  recall: number;
}
/** A page over the steps in which it was read without a break. */
export interface Stay {
  page: number;
  from: number;
  to: number;
}
export interface LayerRead {
  /** Mean over steps of the share of attention inside what was read, by query head; NaN where it was not measured. */
  heads: number[];
  /** Mean over its heads. */
  mean: number;
  /** Share of the held entries that were read. */
  keys: number;
}
export interface SparseDrawing {
  layer: number;
  kvHead: number;
  queryHead: number;
  pageFrom: ArrayLike<number>;
  pageTo: ArrayLike<number>;
  /** Step after which the head has each page; a later step can read it or leave it. */
  pageSince: ArrayLike<number>;
  /** Tokens of a page, most often. */
  pageSize: number;
  rows: ReadRow[];
  stays: Stay[];
  layers: LayerRead[];
  /** Share of keys read, mean over layers that skip something. */
  keys: number;
  /** Most pages that the head read at once. */
  most: number;
  /** The attention of the head over all that is held, where it was recorded. */
  dense: DenseRows | undefined;
}

const columnOf = (run: Run, name: ReadColumn) => run.log.get(name);

/** True for a run whose method reads a part of what it holds. */
export function readsSparsely(run: Run): boolean {
  return (columnOf(run, 'fetch.pages')?.rows ?? 0) > 0;
}

/** The head that is shown: the selected one, else the one that reads the smallest share of the attention, among those
 *  whose whole attention was recorded if there are any. */
export function shownHead(
  run: Run,
  selected: { layer?: number | undefined; queryHead?: number | undefined; kvHead?: number | undefined },
): { layer: number; kvHead: number; queryHead: number } {
  const { queryHeads, kvHeads, layers } = run.info.model;
  const group = queryHeads / kvHeads;
  const whole = (queryHead: number, layer: number) => ({ layer, queryHead, kvHead: Math.floor(queryHead / group) });
  if (selected.layer !== undefined && selected.layer < layers) {
    const queryHead = selected.queryHead ?? (selected.kvHead ?? 0) * group;
    return { ...whole(queryHead, selected.layer), kvHead: selected.kvHead ?? Math.floor(queryHead / group) };
  }
  const byLayer = layerReads(run, run.step);
  const recorded = denseHeads(run);
  let least = { share: Number.POSITIVE_INFINITY, layer: layers - 1, queryHead: 0 };
  byLayer.forEach(({ heads, keys }, layer) => {
    if (keys < 1)
      heads.forEach((share, queryHead) => {
        if (share < least.share && (recorded.size === 0 || recorded.has(layer * queryHeads + queryHead)))
          least = { share, layer, queryHead };
      });
  });
  return whole(least.queryHead, least.layer);
}

export function encodeSparse(
  run: Run,
  step: number,
  head: { layer: number; kvHead: number; queryHead: number },
): SparseDrawing | undefined {
  const counts = columnOf(run, 'fetch.pages');
  const list = columnOf(run, 'fetch.page');
  const index = run.log.get('step.index');
  const [from, to] = [run.latest.get('page.from')?.data, run.latest.get('page.to')?.data];
  if (!counts || !index) return undefined;
  const { layers, queryHeads, kvHeads } = run.info.model;
  const width = layers * kvHeads;
  const own = head.layer * kvHeads + head.kvHead;
  const mass = columnOf(run, 'fetch.mass')?.data;
  const [entries, held] = [columnOf(run, 'fetch.entries')?.data, columnOf(run, 'fetch.held')?.data];
  const rows: ReadRow[] = [];
  const last = rowAtStep(run, step);
  let at = 0;
  for (let row = 0; row < counts.rows && row <= last; row++)
    for (let h = 0; h < width; h++) {
      const count = counts.data[row * width + h]!;
      if (h === own) {
        const [read, all] = [entries?.[row * width + h] ?? Number.NaN, held?.[row * width + h] ?? Number.NaN];
        const pages = Array.from({ length: count }, (_, rank) => ({ page: list?.data[at + rank] ?? 0, rank }));
        rows.push({
          step: index.data[row]!,
          seen: run.log.get('step.seen')?.data[row] ?? 0,
          pages: read === all ? undefined : pages,
          keys: all ? read / all : 1,
          recall: mass?.[(row * layers + head.layer) * queryHeads + head.queryHead] ?? Number.NaN,
        });
      }
      at += count;
    }
  const byLayer = layerReads(run, step);
  const sparse = byLayer.filter(({ keys }) => keys < 1);
  return {
    ...head,
    pageFrom: from ?? [],
    pageTo: to ?? [],
    pageSince: pagesSince(run, head, from?.length ?? 0),
    pageSize: from?.length ? to![0]! - from[0]! : 0,
    rows,
    stays: staysOf(rows),
    layers: byLayer,
    keys: mean(sparse.map(({ keys }) => keys)),
    most: Math.max(1, ...rows.map(({ pages }) => pages?.length ?? 0)),
    dense: denseRows(run, head, step),
  };
}

/** Step after which a head has each page; infinite for a page that it never gets. */
function pagesSince(run: Run, { layer, kvHead }: { layer: number; kvHead: number }, pages: number): Float64Array {
  const since = new Float64Array(pages).fill(Number.POSITIVE_INFINITY);
  const column = (name: ReadColumn) => columnOf(run, name)?.data ?? [];
  const [step, layers, heads, page] = [
    column('move.step'),
    column('move.layer'),
    column('move.kvHead'),
    column('move.page'),
  ];
  const rows = columnOf(run, 'move.step')?.rows ?? 0;
  for (let i = 0; i < rows; i++)
    if (layers[i] === layer && heads[i] === kvHead) {
      const own = page[i]!;
      if (own < pages) since[own] = Math.min(since[own]!, step[i]!);
    }
  return since;
}

/** What each layer read and how much attention that held, means over the steps after the prompt up to `step`. */
export function layerReads(run: Run, step: number): LayerRead[] {
  const { layers, queryHeads, kvHeads } = run.info.model;
  const [mass, entries, held] = [
    columnOf(run, 'fetch.mass'),
    columnOf(run, 'fetch.entries'),
    columnOf(run, 'fetch.held'),
  ];
  const index = run.log.get('step.index');
  const last = rowAtStep(run, step);
  return Array.from({ length: layers }, (_, layer) => {
    const sums = Array.from({ length: queryHeads }, () => ({ sum: 0, count: 0 }));
    let [read, all] = [0, 0];
    for (let row = 0; row <= last && row < (mass?.rows ?? 0); row++) {
      if (index!.data[row] === 0 && last > 0) continue;
      sums.forEach((own, head) => {
        const share = mass!.data[(row * layers + layer) * queryHeads + head]!;
        if (!Number.isFinite(share)) return;
        own.sum += share;
        own.count += 1;
      });
      for (let h = 0; h < kvHeads; h++) {
        read += entries!.data[(row * layers + layer) * kvHeads + h]!;
        all += held!.data[(row * layers + layer) * kvHeads + h]!;
      }
    }
    const heads = sums.map(({ sum, count }) => sum / count);
    return { heads, mean: mean(heads.filter(Number.isFinite)), keys: all ? read / all : Number.NaN };
  });
}

/** Joins the steps in which a page was read one after the other. */
function staysOf(rows: readonly ReadRow[]): Stay[] {
  const stays: Stay[] = [];
  const open = new Map<number, Stay>();
  rows.forEach(({ pages }, row) => {
    const now = new Set(pages?.map(({ page }) => page));
    for (const [page, stay] of open)
      if (!now.has(page)) {
        open.delete(page);
        stays.push(stay);
      }
    for (const page of now) {
      const stay = open.get(page) ?? { page, from: row, to: row };
      open.set(page, { ...stay, to: row });
    }
  });
  return [...stays, ...open.values()];
}

/** Cells of one row of the map: one for each token. */
export function rowCells(
  { pages, seen, step }: ReadRow,
  { pageFrom, pageTo, pageSince }: Pick<SparseDrawing, 'pageFrom' | 'pageTo' | 'pageSince'>,
  tokens: number,
): Uint16Array {
  const cells = new Uint16Array(tokens);
  cells.fill(cellAlways, 0, Math.min(tokens, seen));
  if (!pages) return cells;
  for (let page = 0; page < pageFrom.length; page++)
    if (pageSince[page]! < step) cells.fill(cellSkipped, pageFrom[page]!, Math.min(tokens, pageTo[page]!));
  for (const { page, rank } of pages) {
    const end = Math.min(tokens, seen, pageTo[page] ?? 0);
    if (end > (pageFrom[page] ?? 0)) cells.fill(cellRead + rank, pageFrom[page], end);
  }
  return cells;
}

export const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
