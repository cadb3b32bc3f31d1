/** Survival of each method, one map under the other on one axis of positions. */
import type { PlotArea } from '../../draw/axes.ts';
import { fitCells, hatchCells, paintCells } from '../../draw/cells.ts';
import { drawLine, drawLock, drawText } from '../../draw/marks.ts';
import { linearScale, roundTicks, type Scale } from '../../draw/scale.ts';
import type { Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import type { ComparePoint } from './describe.ts';
import { type CompareDrawing, type CompareLane, type LaneSurvival, laneSurvival } from './encode.ts';
import { drawLaneMark } from './marks.ts';

const heading = 18;
const foot = 34;
const left = 34;

export interface MapsLayout {
  areas: PlotArea[];
  lanes: CompareLane[];
  x: Scale;
  columnBin: number;
  columns: number;
  columnWidth: number;
}

/** Lanes that lose something; all methods where none does. */
function mapped({ lanes }: CompareDrawing): CompareLane[] {
  return lanes.slice(1, 5);
}

export function mapsLayout(drawing: CompareDrawing, surface: Surface): MapsLayout {
  const lanes = mapped(drawing);
  const { comparison } = drawing;
  const tokens = comparison.info.promptLength + comparison.step;
  const fit = fitCells(tokens, (surface.width - left - 8) * surface.density);
  const columnWidth = fit.pixels / surface.density;
  const width = fit.count * columnWidth;
  const each = Math.max(30, (surface.height - foot) / lanes.length);
  const range: [number, number] = [0, fit.count * fit.bin];
  const steps = Math.max(1, comparison.step);
  const areas = lanes.map((_, i): PlotArea => {
    const last = i === lanes.length - 1;
    return {
      rect: { x: left, y: i * each + heading, width, height: each - heading - 8 },
      x: {
        range,
        ticks: last ? roundTicks([0, tokens], 5).map((t) => t + 0.5) : [],
        labels: last ? roundTicks([0, tokens], 5).map(String) : [],
        title: last ? `token position${fit.bin > 1 ? `, ${fit.bin} tokens a column` : ''}` : '',
        line: last,
      },
      y: {
        range: [steps + 1, 0],
        ticks: roundTicks([0, steps], 3)
          .filter((t) => t > 0)
          .map((t) => t + 0.5),
        labels: roundTicks([0, steps], 3)
          .filter((t) => t > 0)
          .map(String),
      },
    };
  });
  return {
    areas,
    lanes,
    x: linearScale(range, [left, left + width]),
    columnBin: fit.bin,
    columns: fit.count,
    columnWidth,
  };
}

export function drawMaps(
  surface: Surface,
  theme: Theme,
  drawing: CompareDrawing,
  layout: MapsLayout,
  selected: { position: number | undefined; locked: boolean },
  point: ComparePoint | undefined,
): void {
  layout.lanes.forEach((lane, i) => {
    const { rect } = layout.areas[i]!;
    drawLaneMark(surface, theme, { ...lane, first: true }, left + 5, rect.y - 9);
    drawText(surface, theme, lane.name, left + 15, rect.y - 8.5, { bold: true, colour: theme.ink });
    const survival = laneSurvival(drawing.comparison, lane.lane);
    drawMap(surface, theme, survival, drawing.comparison.info.promptLength, layout, rect);
    const rowHeight = rect.height / (survival.steps + 1);
    if (point)
      drawLine(
        surface,
        [
          [rect.x, rect.y + (point.row + 0.5) * rowHeight],
          [rect.x + rect.width, rect.y + (point.row + 0.5) * rowHeight],
        ],
        { colour: theme.ink, ...(point.lane === lane.lane ? {} : { dash: [2, 3] }) },
      );
    if (selected.position === undefined) return;
    const column = {
      x: layout.x(selected.position),
      y: rect.y,
      width: Math.max(2, layout.x(1) - layout.x(0)),
      height: rect.height,
    };
    if (selected.locked) drawLock(surface, theme, column, 'column');
    else
      drawLine(
        surface,
        [
          [column.x + column.width / 2, rect.y],
          [column.x + column.width / 2, rect.y + rect.height],
        ],
        { colour: theme.ink },
      );
  });
}

function drawMap(
  surface: Surface,
  theme: Theme,
  { tokens, steps, heads, rows }: LaneSurvival,
  promptLength: number,
  { columnBin, columns }: MapsLayout,
  rect: PlotArea['rect'],
): void {
  const rowBin = Math.max(1, Math.ceil((steps + 1) / Math.max(1, rect.height * surface.density)));
  const lines = Math.ceil((steps + 1) / rowBin);
  const words = new Uint32Array(lines * columns);
  const gone = new Uint8Array(lines * columns);
  for (let line = 0; line < lines; line++) {
    const step = Math.min(steps, (line + 1) * rowBin - 1);
    const seen = promptLength + step;
    for (let column = 0; column < columns; column++) {
      const from = column * columnBin;
      if (from >= seen) continue;
      const to = Math.min(seen, from + columnBin);
      let most = 0;
      for (let position = from; position < to; position++) most = Math.max(most, rows[step * tokens + position]!);
      if (most === 0) gone[line * columns + column] = 1;
      else words[line * columns + column] = theme.ramp[Math.max(18, rampIndex(most / heads))]!;
    }
  }
  const place = { ...rect, height: (rect.height * lines * rowBin) / (steps + 1) };
  hatchCells(surface, place, columns, lines, gone, theme.goneHatch, theme.goneGround);
  paintCells(surface, place, columns, lines, words);
}
