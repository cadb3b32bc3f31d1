/** The map of sparse reads: one column for each token, one row for each step, a box around each page as long as it is read. */
import type { PlotArea } from '../../draw/axes.ts';
import { fitCells, paintCells } from '../../draw/cells.ts';
import { drawAxesToCome, drawLine, drawRampKey, drawText, textWidth } from '../../draw/marks.ts';
import { roundTicks, type Scale } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme, veiledRamp } from '../../draw/theme.ts';
import type { Run } from '../../store/run.ts';
import { cellRead, cellSkipped, type ReadRow, rowCells, type SparseDrawing } from './encode.ts';

/** What shades the cells: the attention over all that is held, the place of a page by its score, or nothing. */
export const shadings = ['mass', 'worth', 'mask'] as const;
export type Shading = (typeof shadings)[number];
export const shadingWords: Readonly<Record<Shading, string>> = {
  mass: 'Mass',
  worth: 'Worth',
  mask: 'Mask',
};

/** Shares at or below this get no ink. */
export const leastShare = 0.001;

export const margin = { left: 40, top: 32, bottom: 36, right: 8 };

export interface MapLayout {
  area: PlotArea;
  columnBin: number;
  columns: number;
  rowBin: number;
  lines: number;
}

export function layoutMap(run: Run, drawing: SparseDrawing, surface: Surface, wide: boolean): MapLayout {
  const steps = Math.max(1, run.state === 'running' ? run.info.maxTokens : run.step);
  const tokens = run.info.promptLength + steps;
  const room = {
    width: (wide ? surface.width * 0.68 : surface.width - margin.right) - margin.left,
    height: surface.height - margin.top - margin.bottom,
  };
  const across = fitCells(tokens, Math.max(20, room.width) * surface.density);
  const down = fitCells(steps + 1, Math.max(20, room.height) * surface.density, 1);
  const rect: Rect = {
    x: margin.left,
    y: margin.top,
    width: (across.count * across.pixels) / surface.density,
    height: (down.count * down.pixels) / surface.density,
  };
  const ticks = roundTicks([0, tokens], 4);
  const stepTicks = roundTicks([0, steps], 5).filter((t) => t > 0);
  const bins = [
    across.bin > 1 ? `${across.bin} tokens a column` : '',
    down.bin > 1 ? `${down.bin} steps a row` : '',
  ].filter(Boolean);
  return {
    area: {
      rect,
      x: {
        range: [0, across.count * across.bin],
        ticks: ticks.map((t) => t + 0.5),
        labels: ticks.map(String),
        title: ['token position', ...bins].join(', '),
        line: true,
      },
      y: {
        range: [down.count * down.bin, 0],
        ticks: stepTicks.map((t) => t + 0.5),
        labels: stepTicks.map(String),
        title: drawing.rows.length ? '' : 'step',
      },
    },
    columnBin: across.bin,
    columns: across.count,
    rowBin: down.bin,
    lines: down.count,
  };
}

export function drawMap(
  surface: Surface,
  theme: Theme,
  drawing: SparseDrawing,
  { area, columnBin, columns, rowBin, lines }: MapLayout,
  { x, y }: { x: Scale; y: Scale },
  shading: Shading,
): void {
  const words = new Uint32Array(lines * columns);
  // A row of the map is one step; where several share a row, the last of them is drawn.
  const shown = new Map(drawing.rows.map((row) => [Math.floor(row.step / rowBin), row]));
  for (const [line, row] of shown) {
    if (line >= lines) continue;
    const into = words.subarray(line * columns, (line + 1) * columns);
    const shares = drawing.dense?.get(row.step);
    if (shading === 'mass') {
      if (shares) shadeByMass(into, theme, drawing, row, shares, columnBin);
    } else shadeByScore(into, theme, drawing, row, columnBin, shading === 'worth');
  }
  paintCells(surface, area.rect, columns, lines, words);
  const { context } = surface;
  context.strokeStyle = theme.tones.recent;
  context.lineWidth = 1;
  for (const { page, from, to } of drawing.stays) {
    const [first, last] = [drawing.rows[from]!.step, drawing.rows[to]!.step];
    const left = x(drawing.pageFrom[page]!);
    const top = y(Math.floor(first / rowBin) * rowBin);
    const right = x(drawing.pageTo[page]!);
    const bottom = y((Math.floor(last / rowBin) + 1) * rowBin);
    context.strokeRect(left + 0.5, top + 0.5, Math.max(1, right - left - 1), Math.max(1, bottom - top - 1));
  }
  drawText(surface, theme, 'step', area.rect.x - 6, area.rect.y + 4, { align: 'right', colour: theme.ink3 });
}

/** What boxes and shades mean, in one line above the map; from right to left what does not fit is left out. */
export function drawKey(surface: Surface, theme: Theme, { rect }: PlotArea, shading: Shading): void {
  const { context } = surface;
  const y = rect.y - 18;
  const right = Math.max(rect.x + rect.width, Math.min(surface.width - margin.right, rect.x + 310));
  let x = rect.x;
  const item = (words: string, paint: (x: number) => void) => {
    if (x + 14 + textWidth(surface, theme, words, { size: 10 }) > right) return;
    paint(x);
    drawText(surface, theme, words, x + 14, y, { size: 10 });
    x += 28 + textWidth(surface, theme, words, { size: 10 });
  };
  const filled = (index: number) => (at: number) => {
    context.fillStyle = theme.rampCss[index]!;
    context.fillRect(at, y - 4, 9, 9);
  };
  item('page read', (at) => {
    context.strokeStyle = theme.tones.recent;
    context.lineWidth = 1;
    context.strokeRect(at + 0.5, y - 3.5, 8, 8);
  });
  if (shading === 'mass') {
    item('veiled: not read', (at) => {
      const word = veiledRamp(theme)[120]!;
      context.fillStyle = `rgb(${word & 255}, ${(word >> 8) & 255}, ${(word >> 16) & 255})`;
      context.fillRect(at, y - 4, 9, 9);
    });
    const low = `log ≤${leastShare}`;
    const ends = textWidth(surface, theme, `${low}1`, { size: 10 }) + 12;
    const width = [50, 28].find((wide) => x + ends + wide <= right);
    if (width) drawRampKey(surface, theme, x, y, low, '1', width);
  } else {
    item('read, in no page', filled(70));
    item('not read', filled(28));
    if (shading === 'worth') item('dark: best score', filled(225));
  }
}

/** The largest share of each column on a log scale; what was not read lies under a veil. */
function shadeByMass(
  into: Uint32Array,
  theme: Theme,
  drawing: SparseDrawing,
  row: ReadRow,
  shares: Float32Array,
  bin: number,
): void {
  const cells = rowCells(row, drawing, into.length * bin);
  const veiled = veiledRamp(theme);
  const decades = -Math.log10(leastShare);
  for (let column = 0; column < into.length; column++) {
    let [high, at] = [0, -1];
    for (let position = column * bin; position < Math.min(shares.length, (column + 1) * bin); position++)
      if (shares[position]! > high) [high, at] = [shares[position]!, position];
    if (!(high > leastShare)) continue;
    const index = rampIndex(1 + Math.log10(high) / decades);
    into[column] = cells[at] === cellSkipped ? veiled[index]! : theme.ramp[index]!;
  }
}

/** Pages that were read, the best darkest, beside what was not read and what is read in every step. */
function shadeByScore(
  into: Uint32Array,
  theme: Theme,
  drawing: SparseDrawing,
  row: ReadRow,
  bin: number,
  shaded: boolean,
): void {
  const cells = rowCells(row, drawing, into.length * bin);
  const most = row.pages?.length ?? 1;
  for (let column = 0; column < into.length; column++) {
    let best = 0;
    for (let position = column * bin; position < (column + 1) * bin; position++) {
      const cell = cells[position] ?? 0;
      best = cell >= cellRead && best >= cellRead ? Math.min(best, cell) : Math.max(best, cell);
    }
    if (best === 0) continue;
    const worth = shaded ? Math.round(225 - (135 * (best - cellRead)) / Math.max(1, most - 1)) : 120;
    into[column] = theme.ramp[best === cellSkipped ? 28 : best < cellRead ? 70 : worth]!;
  }
}

/** The map to come, while there is nothing to draw. */
export function drawEmpty(surface: Surface, theme: Theme): void {
  const [left, right, top, bottom] = [margin.left, surface.width * 0.64, 20, surface.height - margin.bottom];
  drawAxesToCome(surface, theme, { left, right, top, bottom });
  drawLine(
    surface,
    [
      [left + (right - left) * 0.5, top],
      [right, bottom],
    ],
    { colour: theme.rule2, dash: [3, 4] },
  );
}
