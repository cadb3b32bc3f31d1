/** Beside the map of sparse reads: the attention inside what is read by layer, by step, or by number of pages. */
import type { Selection } from 'kvlab/frame';
import type { PlotArea } from '../../draw/axes.ts';
import { drawLine, drawSeries, drawText, textWidth } from '../../draw/marks.ts';
import { indexTicks, percent, roundTicks, type Scale } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import type { Run } from '../../store/run.ts';
import type { RecallCurve } from './dense.ts';
import type { SparseDrawing } from './encode.ts';

export const besides = ['layers', 'steps', 'pages'] as const;
export type Beside = (typeof besides)[number];
export const besideWords: Readonly<Record<Beside, string>> = { layers: 'Layers', steps: 'Steps', pages: 'Recall@k' };

const titles: Readonly<Record<Beside, string>> = {
  layers: 'Attention inside what is read',
  steps: 'Attention inside what is read',
  pages: 'Attention inside the first k pages',
};

/** Between the top and bottom lines of the map; steps share its axis. */
export function besideArea(
  run: Run,
  { most, layer, queryHead }: SparseDrawing,
  surface: Surface,
  map: PlotArea,
  shown: Beside,
): PlotArea {
  const { layers } = run.info.model;
  const left = surface.width * 0.68 + 46;
  const rect = { x: left, y: map.rect.y, width: Math.max(40, surface.width - left - 18), height: map.rect.height };
  const shares = { ticks: [0, 0.5, 1], labels: ['0 %', '50 %', '100 %'] };
  if (shown === 'pages')
    return {
      rect,
      x: { range: [0, most], ticks: roundTicks([0, most], 4), title: 'k pages, best first', line: true },
      y: { range: [0, 1], ...shares },
    };
  if (shown === 'steps')
    return {
      rect,
      x: { range: [0, 1], ...shares, title: `recall of layer ${layer} head ${queryHead}`, line: true },
      y: { ...map.y, title: '' },
    };
  const ticks = indexTicks(layers, 5);
  return {
    rect,
    x: { range: [0, 1], ...shares, title: 'dot: head, bar: layer mean', line: true },
    y: { range: [layers, 0], ticks: ticks.map((t) => t + 0.5), labels: ticks.map(String) },
  };
}

export function drawBeside(
  surface: Surface,
  theme: Theme,
  drawing: SparseDrawing,
  curve: RecallCurve | undefined,
  { rect }: PlotArea,
  scales: { x: Scale; y: Scale },
  shown: Beside,
): void {
  drawText(surface, theme, titles[shown], rect.x - 24, 6, { bold: true, colour: theme.ink });
  const { x } = scales;
  if (shown === 'pages') drawRecall(surface, theme, curve, rect, scales);
  else for (const tick of [0.5, 1]) drawVertical(surface, rect, x(tick), { colour: theme.rule });
  if (shown === 'steps') drawSteps(surface, theme, drawing, rect, scales);
  if (shown === 'layers') {
    drawKeysRead(surface, theme, drawing.keys, rect, x);
    drawLayers(surface, theme, drawing, rect, scales);
  }
}

/** How much is read at all: without it no share of the attention means anything. */
function drawKeysRead(surface: Surface, theme: Theme, keys: number, rect: Rect, x: Scale): void {
  if (!Number.isFinite(keys)) return;
  const at = x(keys);
  drawVertical(surface, rect, at, { colour: theme.ink, width: 1.5, dash: [6, 4] });
  const words = `keys read ${percent(keys)}`;
  const half = textWidth(surface, theme, words) / 2;
  const centre = Math.max(rect.x - 20 + half, Math.min(rect.x + rect.width - half, at));
  drawText(surface, theme, words, centre, rect.y - 6, { align: 'center', colour: theme.ink });
}

function drawLayers(
  surface: Surface,
  theme: Theme,
  drawing: SparseDrawing,
  rect: Rect,
  { x, y }: { x: Scale; y: Scale },
): void {
  const { context } = surface;
  const high = Math.max(2, Math.min(5, rect.height / drawing.layers.length / 2 - 0.5));
  drawing.layers.forEach(({ heads, mean }, layer) => {
    const middle = y(layer + 0.5);
    context.fillStyle = theme.ink3;
    context.globalAlpha = 0.5;
    for (const share of heads) {
      if (!Number.isFinite(share)) continue;
      context.beginPath();
      context.arc(x(share), middle, Math.min(2.2, high), 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    if (Number.isFinite(mean))
      drawLine(
        surface,
        [
          [x(mean), middle - high],
          [x(mean), middle + high],
        ],
        { colour: theme.ink, width: 2 },
      );
  });
  const own = drawing.layers[drawing.layer]?.heads[drawing.queryHead] ?? Number.NaN;
  if (Number.isFinite(own)) drawDot(surface, theme, x(own), y(drawing.layer + 0.5));
}

/** One line down the steps for the head that is shown, and how much of the keys each step read. */
function drawSteps(
  surface: Surface,
  theme: Theme,
  drawing: SparseDrawing,
  rect: Rect,
  { x, y }: { x: Scale; y: Scale },
): void {
  const points = (of: (row: SparseDrawing['rows'][number]) => number) =>
    drawing.rows.filter((row) => Number.isFinite(of(row))).map((row) => [x(of(row)), y(row.step + 0.5)] as const);
  drawLine(
    surface,
    points(({ keys }) => keys),
    { colour: theme.ink, width: 1.5, dash: [6, 4] },
  );
  const recall = points((row) => row.recall);
  drawSeries(surface, theme, recall, theme.ink);
  const middle = rect.x + rect.width / 2;
  drawText(surface, theme, recall.length ? 'dashed: keys read' : 'not measured', middle, rect.y - 6, {
    align: 'center',
    colour: theme.ink,
  });
}

/** The method's order against the best possible one: their distance is what its scores cost. */
function drawRecall(
  surface: Surface,
  theme: Theme,
  curve: RecallCurve | undefined,
  rect: Rect,
  { x, y }: { x: Scale; y: Scale },
): void {
  for (const tick of [0, 0.5, 1])
    drawLine(
      surface,
      [
        [rect.x, y(tick)],
        [rect.x + rect.width, y(tick)],
      ],
      { colour: theme.rule },
    );
  if (!curve) {
    const middle = rect.x + rect.width / 2;
    for (const [i, words] of ['the attention of', 'this head was', 'not recorded'].entries())
      drawText(surface, theme, words, middle, rect.y + rect.height / 2 + 16 * (i - 1), { align: 'center', halo: true });
    return;
  }
  const points = (list: readonly number[]) => list.map((share, k) => [x(k), y(share)] as const);
  drawSeries(surface, theme, points(curve.best), theme.ink3, [7, 3]);
  drawSeries(surface, theme, points(curve.byScore), theme.tones.recent);
  const [best, read] = [curve.best.at(-1)!, curve.byScore.at(-1)!];
  const right = rect.x + rect.width;
  drawDot(surface, theme, right, y(read));
  drawText(surface, theme, `best choice ${percent(best)}`, right - 4, y(best) - 11, {
    align: 'right',
    halo: true,
  });
  drawText(surface, theme, `as scored ${percent(read)}`, right - 4, y(read) + 24, {
    align: 'right',
    colour: theme.ink,
    halo: true,
  });
}

function drawDot({ context }: Surface, theme: Theme, x: number, y: number): void {
  context.fillStyle = theme.tones.recent;
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, 5, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}

function drawVertical(surface: Surface, rect: Rect, at: number, style: Parameters<typeof drawLine>[2]): void {
  drawLine(
    surface,
    [
      [at, rect.y],
      [at, rect.y + rect.height],
    ],
    style,
  );
}

/** What a place beside the map points at: the head of a layer whose share is nearest. */
export function pointedBeside(
  drawing: SparseDrawing | undefined,
  shown: Beside,
  { x, y }: { x: Scale; y: Scale },
  px: number,
  py: number,
): Selection | undefined {
  if (shown !== 'layers') return undefined;
  const layer = Math.floor(y.invert(py));
  const heads = drawing?.layers[layer]?.heads;
  if (!heads?.some(Number.isFinite)) return undefined;
  const share = x.invert(px);
  const queryHead = heads.reduce(
    (best, own, head) =>
      Math.abs(own - share) < Math.abs((heads[best] ?? 9) - share) || !Number.isFinite(heads[best]!) ? head : best,
    0,
  );
  return { layer, queryHead };
}
