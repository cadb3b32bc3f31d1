/** The attention of a head over all that it holds, beside what it read: how much each step missed, and how much any number of
 *  pages could have held. */
import type { ReadColumn } from 'kvlab/frame';
import type { Run } from '../../store/run.ts';
import { mean, type ReadRow, type SparseDrawing } from './encode.ts';

/** Rows by step: the share of each token by absolute position. */
export type DenseRows = ReadonlyMap<number, Float32Array>;

/** Heads whose attention over all was recorded in any step, as layer * query heads + query head. */
export function denseHeads(run: Run): Set<number> {
  const [layer, head] = [run.log.get('dense.layer'), run.log.get('dense.queryHead')];
  const heads = new Set<number>();
  for (let row = 0; row < (layer?.rows ?? 0); row++)
    heads.add(layer!.data[row]! * run.info.model.queryHeads + head!.data[row]!);
  return heads;
}

/** Rows of a head up to a step; undefined where none was recorded. */
export function denseRows(
  run: Run,
  { layer, queryHead }: { layer: number; queryHead: number },
  until: number,
): DenseRows | undefined {
  const column = (name: ReadColumn) => run.log.get(name)?.data ?? [];
  const [steps, layers, heads, tokens] = [
    column('dense.step'),
    column('dense.layer'),
    column('dense.queryHead'),
    column('dense.tokens'),
  ];
  const shares = run.log.get('dense.share');
  const rows = new Map<number, Float32Array>();
  let at = 0;
  for (let row = 0; row < (run.log.get('dense.step')?.rows ?? 0); row++) {
    const end = at + tokens[row]!;
    if (layers[row] === layer && heads[row] === queryHead && steps[row]! <= until && end <= (shares?.rows ?? 0))
      rows.set(steps[row]!, (shares!.data as Float32Array).subarray(at, end));
    at = end;
  }
  return rows.size ? rows : undefined;
}

/** Attention of one step on each page that the head has, and on what lies in none. */
export function pageMasses(
  { step }: ReadRow,
  { pageFrom, pageTo, pageSince }: Pick<SparseDrawing, 'pageFrom' | 'pageTo' | 'pageSince'>,
  shares: Float32Array,
): { pages: Map<number, number>; besides: number } {
  const pages = new Map<number, number>();
  let besides = shares.reduce((a, b) => a + b, 0);
  for (let page = 0; page < pageFrom.length; page++) {
    if (!(pageSince[page]! < step)) continue;
    let sum = 0;
    for (let position = pageFrom[page]!; position < pageTo[page]!; position++) sum += shares[position] ?? 0;
    pages.set(page, sum);
    besides -= sum;
  }
  return { pages, besides };
}

/** Attention that the first k pages hold, together with all that lies in no page, means over the steps that left something out. */
export interface RecallCurve {
  /** In the order in which the method valued the pages, for k from 0. */
  byScore: number[];
  /** In the order of the attention itself: no choice of k pages holds more. */
  best: number[];
  steps: number;
}

export function recallCurve(drawing: SparseDrawing): RecallCurve | undefined {
  const curves = drawing.rows.flatMap((row) => {
    const shares = drawing.dense?.get(row.step);
    if (!row.pages?.length || !shares) return [];
    const { pages, besides } = pageMasses(row, drawing, shares);
    const read = row.pages.map(({ page }) => pages.get(page) ?? 0);
    const best = [...pages.values()].sort((a, b) => b - a).slice(0, read.length);
    return [{ read: sums(besides, read), best: sums(besides, best) }];
  });
  if (!curves.length) return undefined;
  // A step that read fewer pages has no more to give than its last.
  const meanAt = (list: readonly number[][]) =>
    Array.from({ length: drawing.most + 1 }, (_, k) => mean(list.map((own) => own[Math.min(k, own.length - 1)]!)));
  return {
    byScore: meanAt(curves.map(({ read }) => read)),
    best: meanAt(curves.map(({ best }) => best)),
    steps: curves.length,
  };
}

/** Running sums from a first value on. */
function sums(first: number, list: readonly number[]): number[] {
  const out = [first];
  for (const value of list) out.push(out.at(-1)! + value);
  return out;
}
