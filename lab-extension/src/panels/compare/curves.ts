/** KL over the judged tokens, and bytes held against mean KL. */
import type { PlotArea, Zoomed } from '../../draw/axes.ts';
import { areaScales } from '../../draw/axes.ts';
import { drawLine, drawSeries, drawText, textWidth } from '../../draw/marks.ts';
import { percent, roundAbove, roundTicks, type Scale } from '../../draw/scale.ts';
import type { Surface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import type { ComparePoint } from './describe.ts';
import { type CompareDrawing, type CompareLane, smoothing } from './encode.ts';
import { drawLaneMark, laneColour, laneDash } from './marks.ts';

const top = 26;
const foot = 20;

/** Where both plots lie; the second only where there is room. */
export function curveAreas(drawing: CompareDrawing, surface: Surface): { kl: PlotArea; pareto: PlotArea | undefined } {
  const { width, height } = surface;
  const wide = width >= 560;
  const plotHeight = Math.max(40, height - top - foot);
  const names = nameRoom(width);
  const steps = Math.max(
    1,
    drawing.comparison.state === 'running' ? drawing.comparison.info.maxTokens - 1 : drawing.judged - 1,
  );
  const highest = Math.max(1e-3, ...drawing.lanes.flatMap(({ smooth }) => smooth.filter(Number.isFinite)));
  const yRange: [number, number] = [0, roundAbove(highest * 1.08)];
  const kl: PlotArea = {
    rect: { x: 32, y: top, width: Math.max(40, (wide ? width * 0.6 : width) - 32 - names), height: plotHeight },
    x: { range: [0, steps], ticks: roundTicks([0, steps], 4), line: true },
    y: { range: yRange, ticks: roundTicks(yRange, 3) },
    zoom: 'x',
  };
  if (!wide) return { kl, pareto: undefined };
  const bytes = drawing.lanes.map(({ bytesHeld }) => bytesHeld / 2 ** 20).filter((b) => b > 0);
  const kls = drawing.lanes
    .slice(1)
    .map(({ meanKl }) => Math.max(1e-4, meanKl))
    .filter(Number.isFinite);
  const xRange = logRange(bytes.length ? bytes : [1, 10], 1.25);
  const klRange = logRange(kls.length ? kls : [0.01, 1], 1.6);
  const pareto: PlotArea = {
    rect: { x: width * 0.6 + 44, y: top, width: Math.max(40, width * 0.4 - 44 - 12), height: plotHeight },
    x: { range: xRange, ...logTicks(xRange), line: true },
    y: { range: klRange, ...logTicks(klRange) },
  };
  return { kl, pareto };
}

/** Ends of a logarithmic axis, with room around the values. */
function logRange(values: readonly number[], room: number): [number, number] {
  return [Math.log10(Math.min(...values) / room), Math.log10(Math.max(...values) * room)];
}

/** Ticks at 1, 2 and 5 of each power of ten; only at the powers where those are many. */
function logTicks([low, high]: readonly [number, number]): { ticks: number[]; labels: string[] } {
  const steps = high - low > 2 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= high; power++)
    for (const step of steps) {
      const at = Math.log10(step) + power;
      if (at >= low && at <= high) ticks.push(at);
    }
  return { ticks, labels: ticks.map((tick) => String(Number((10 ** tick).toPrecision(2)))) };
}

/** Pixels beside the lines for the names of their methods. */
function nameRoom(width: number): number {
  return Math.min(150, width * 0.3);
}

export function drawCurves(
  surface: Surface,
  theme: Theme,
  drawing: CompareDrawing,
  area: PlotArea,
  zoomed: Zoomed,
  focus: number | undefined,
  point: ComparePoint | undefined,
): { x: Scale; y: Scale } {
  const scales = areaScales(area, zoomed);
  const { rect } = area;
  const { x, y } = scales;
  const right = rect.x + rect.width;
  drawText(surface, theme, 'KL by token of the answer, forced, nats', 0, 8, { bold: true, colour: theme.ink });
  const note = `thick: mean of ${smoothing} tokens; thin peaks cut`;
  const used = textWidth(surface, theme, 'KL by token of the answer, forced, nats', { bold: true });
  if (used + 16 + textWidth(surface, theme, note) < right + 110)
    drawText(surface, theme, note, used + 16, 8, { colour: theme.ink3 });
  for (const tick of area.y.ticks)
    if (tick > 0)
      drawLine(
        surface,
        [
          [rect.x, y(tick)],
          [right, y(tick)],
        ],
        { colour: theme.rule },
      );
  const { context } = surface;
  context.save();
  context.beginPath();
  context.rect(rect.x, rect.y - 3, rect.width + 1, rect.height + 4);
  context.clip();
  const lines = drawing.lanes.filter(({ lane, hue, first }) => lane > 0 && hue !== undefined && first);
  const points = (values: readonly number[]) => values.map((v, row): [number, number] => [x(row), y(v)]);
  for (const lane of lines)
    drawLine(surface, points(lane.kl), {
      colour: laneColour(theme, lane),
      opacity: focus === undefined || focus === lane.lane ? 0.35 : 0.1,
    });
  for (const lane of lines)
    if (focus === undefined || focus === lane.lane)
      drawSeries(surface, theme, points(lane.smooth), laneColour(theme, lane), laneDash(lane));
    else
      drawLine(surface, points(lane.smooth), {
        colour: laneColour(theme, lane),
        width: 2,
        opacity: 0.3,
        dash: laneDash(lane),
      });
  context.restore();
  if (point && point.row < drawing.judged) {
    const at = x(point.row);
    if (at >= rect.x - 1 && at <= right + 1) {
      drawLine(
        surface,
        [
          [at, rect.y - 4],
          [at, rect.y + rect.height],
        ],
        { colour: theme.ink },
      );
      const lane = drawing.lanes[point.lane]!;
      const cy = Math.max(rect.y, y(lane.kl[point.row] ?? 0));
      context.strokeStyle = theme.ink;
      context.lineWidth = 1.5;
      context.beginPath();
      context.arc(at, cy, 6, 0, 2 * Math.PI);
      context.stroke();
    }
  } else if (drawing.peak) ringPeak(surface, theme, drawing, rect, scales);
  nameLines(surface, theme, lines, right + 10, y, rect);
  return scales;
}

/** A ring and a word at the highest KL: where to look first. */
function ringPeak(
  surface: Surface,
  theme: Theme,
  { peak }: CompareDrawing,
  rect: PlotArea['rect'],
  { x, y }: { x: Scale; y: Scale },
): void {
  const at = x(peak!.row);
  const cy = Math.max(rect.y, y(peak!.kl));
  const { context } = surface;
  context.strokeStyle = theme.ink2;
  context.lineWidth = 1;
  context.beginPath();
  context.arc(at, cy, 5, 0, 2 * Math.PI);
  context.stroke();
  const words = 'highest';
  const width = textWidth(surface, theme, words);
  const left = at + 9 + width < rect.x + rect.width ? at + 9 : at - 9 - width;
  drawText(surface, theme, words, left, cy + 1, { colour: theme.ink2, halo: true });
}

/** Names beside the right ends of their lines, moved apart where lines meet. */
function nameLines(
  surface: Surface,
  theme: Theme,
  lines: readonly CompareLane[],
  left: number,
  y: Scale,
  rect: PlotArea['rect'],
): void {
  const ends = lines.map((lane) => ({ lane, at: y(lane.smooth.at(-1) ?? 0) })).sort((a, b) => b.at - a.at);
  let lowest = rect.y + rect.height + 14;
  for (const { lane, at } of ends) {
    const line = Math.min(lowest - 17, Math.max(rect.y + 6, at));
    drawLaneMark(surface, theme, lane, left + 5, line);
    drawText(
      surface,
      theme,
      fitted(surface, theme, lane.name, lane.method, nameRoom(surface.width) - 26),
      left + 15,
      line + 0.5,
      {
        colour: theme.ink,
      },
    );
    lowest = line;
  }
}

/** The name, or the method alone where the name is too long. */
function fitted(surface: Surface, theme: Theme, name: string, method: string, room: number): string {
  return textWidth(surface, theme, name) <= room ? name : method;
}

export function drawPareto(
  surface: Surface,
  theme: Theme,
  drawing: CompareDrawing,
  area: PlotArea,
  focus: number | undefined,
): void {
  const { x, y } = areaScales(area);
  const { rect } = area;
  const right = rect.x + rect.width;
  const bottom = rect.y + rect.height;
  drawText(surface, theme, 'Mean KL against MiB held', rect.x - 32, 8, { bold: true, colour: theme.ink });
  if (rect.width > 180) drawText(surface, theme, 'log, log', right, 8, { align: 'right', colour: theme.ink3 });
  for (const tick of area.y.ticks)
    drawLine(
      surface,
      [
        [rect.x, y(tick)],
        [right, y(tick)],
      ],
      { colour: theme.rule },
    );
  for (const tick of area.x.ticks)
    drawLine(
      surface,
      [
        [x(tick), rect.y],
        [x(tick), bottom],
      ],
      { colour: theme.rule },
    );
  const [full, ...methods] = drawing.lanes;
  const mib = (bytes: number) => x(Math.log10(bytes / 2 ** 20));
  const kl = (lane: CompareLane) => y(Math.log10(Math.max(1e-4, lane.meanKl)));
  const upright = (at: number, words: string, dash: number[], colour: string, low: boolean) => {
    if (!(at > rect.x && at < right)) return;
    drawLine(
      surface,
      [
        [at, rect.y],
        [at, bottom],
      ],
      { colour, width: 1.5, dash },
    );
    const width = textWidth(surface, theme, words);
    const left = at - width - 5 > rect.x ? at - width - 5 : at + 5;
    drawText(surface, theme, words, left, low ? bottom - 9 : rect.y + 8, { colour: theme.ink, halo: true });
  };
  if (full && full.bytesHeld > 0) upright(mib(full.bytesHeld), 'full cache', [2, 3], theme.ink3, false);
  const budgets = [...new Set(methods.map(({ budget }) => budget).filter((b) => b > 0))];
  // One line, or none: several budgets are told apart by their points.
  if (budgets.length === 1 && full)
    upright(mib(budgets[0]!), `budget ${percent(budgets[0]! / full.bytesHeld)}`, [6, 4], theme.ink, true);
  for (const first of methods.filter((lane) => lane.first && lane.hue !== undefined)) {
    const settings = methods.filter(({ method }) => method === first.method).sort((a, b) => a.bytesHeld - b.bytesHeld);
    const faint = focus !== undefined && !settings.some(({ lane }) => lane === focus);
    drawLine(
      surface,
      settings.map((lane) => [mib(lane.bytesHeld), kl(lane)] as const),
      { colour: laneColour(theme, first), dash: laneDash(first), opacity: faint ? 0.3 : 1 },
    );
  }
  for (const lane of methods)
    if (lane.bytesHeld > 0 && Number.isFinite(lane.meanKl))
      drawLaneMark(surface, theme, lane, mib(lane.bytesHeld), kl(lane), focus === lane.lane ? 6.5 : 4.5);
}
