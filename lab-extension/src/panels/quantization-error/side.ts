/** What stands beside the maps: a measure by layer, or how many tokens have which error. */
import { areaScales, type PlotArea } from '../../draw/axes.ts';
import { drawLine, drawText } from '../../draw/marks.ts';
import { drawGridLines } from '../../draw/plot.ts';
import { fixed, roundAbove, roundTicks } from '../../draw/scale.ts';
import type { Surface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import { type ErrorDrawing, errorHistogram, histogramBins } from './encode.ts';

export type LayerMeasure = keyof ErrorDrawing['byLayer'];
export type SideView = Exclude<LayerMeasure, 'meanSquaredError'> | 'histogram';
/** What can stand beside the maps. */
export const sideViews: Readonly<Record<SideView, { title: string; unit: string }>> = {
  snrDb: { title: 'Signal to error', unit: 'dB' },
  cosine: { title: 'Cosine', unit: '' },
  maxAbs: { title: 'Largest error', unit: '' },
  histogram: { title: 'Histogram', unit: 'share' },
};

export function sideAxis(drawing: ErrorDrawing, side: SideView): PlotArea['x'] {
  if (side === 'histogram') return { range: [0, 0.5], ticks: [0, 0.25, 0.5], labels: ['0', '25 %', '50 %'] };
  const { keys, values } = drawing.byLayer[side];
  const known = [...keys, ...values].filter(Number.isFinite);
  if (side === 'cosine') {
    const low = Math.floor(Math.min(0.99, ...known) * 50) / 50;
    return { range: [low, 1], ticks: [low, (low + 1) / 2, 1], labels: [low, (low + 1) / 2, 1].map((v) => fixed(v, 2)) };
  }
  const most = roundAbove(Math.max(side === 'snrDb' ? 1 : 0, ...known));
  return { range: [0, most], ticks: roundTicks([0, most], 3) };
}

/** Shares of tokens by error, keys as a full line, values as a dashed one; of the selected layer, or of all. */
export function drawHistogram(
  surface: Surface,
  theme: Theme,
  drawing: ErrorDrawing,
  area: PlotArea,
  layer: number | undefined,
): void {
  const { x, y } = areaScales(area);
  const shares = errorHistogram(drawing, layer);
  sideTitle(surface, theme, area, `RMS error, ${layer === undefined ? 'all layers' : `layer ${layer}`}`, '');
  drawGridLines(surface, theme, area, { x, y }, 'x');
  for (const [part, dash] of [
    ['keys', []],
    ['values', [4, 3]],
  ] as const) {
    const line: [number, number][] = [[x(0), y(0)]];
    for (const [bin, share] of shares[part].entries())
      line.push([x(Math.min(0.5, share)), y(bin)], [x(Math.min(0.5, share)), y(bin + 1)]);
    drawLine(surface, [...line, [x(0), y(histogramBins)]], { colour: theme.ink, width: 1.5, dash: [...dash] });
  }
  const key = area.rect.y - 12;
  for (const [at, text, dash] of [
    [0, 'K', []],
    [46, 'V', [4, 3]],
  ] as const) {
    drawLine(
      surface,
      [
        [area.rect.x + at, key],
        [area.rect.x + at + 18, key],
      ],
      { colour: theme.ink, width: 1.5, dash: [...dash] },
    );
    drawText(surface, theme, text, area.rect.x + at + 23, key, { colour: theme.ink });
  }
}

function sideTitle(surface: Surface, theme: Theme, { rect }: PlotArea, title: string, unit: string): void {
  drawText(surface, theme, title, rect.x - 22, 8, { bold: true, colour: theme.ink });
  drawText(surface, theme, unit, rect.x + rect.width, 8, { align: 'right', colour: theme.ink3 });
}

/** A dot for keys and one for values in each layer. */
export function drawLayers(
  surface: Surface,
  theme: Theme,
  drawing: ErrorDrawing,
  area: PlotArea,
  measure: LayerMeasure,
): void {
  const { rect } = area;
  const { x, y } = areaScales(area);
  const { context } = surface;
  const { title, unit } = sideViews[measure as SideView];
  sideTitle(surface, theme, area, title, unit);
  drawGridLines(surface, theme, area, { x, y }, 'x');
  const dot = (value: number, layer: number, filled: boolean) => {
    if (!Number.isFinite(value)) return;
    context.beginPath();
    context.arc(x(value), y(layer + 0.5), 3, 0, 7);
    context.fillStyle = filled ? theme.ink : theme.paper;
    context.fill();
    context.strokeStyle = theme.ink;
    context.lineWidth = 1.2;
    context.stroke();
  };
  for (let layer = 0; layer < drawing.layers; layer++) {
    const [keys, values] = [drawing.byLayer[measure].keys[layer]!, drawing.byLayer[measure].values[layer]!];
    drawLine(
      surface,
      [
        [x(keys), y(layer + 0.5)],
        [x(values), y(layer + 0.5)],
      ],
      { colour: theme.rule2 },
    );
    dot(keys, layer, true);
    dot(values, layer, false);
  }
  const key = rect.y - 12;
  for (const [at, text, filled] of [
    [rect.x + 4, 'V', false],
    [rect.x + 34, 'K', true],
  ] as const) {
    context.beginPath();
    context.arc(at, key, 3, 0, 7);
    context.fillStyle = filled ? theme.ink : theme.paper;
    context.fill();
    context.strokeStyle = theme.ink;
    context.lineWidth = 1.2;
    context.stroke();
    drawText(surface, theme, text, at + 7, key, { colour: theme.ink });
  }
}
