/** Eviction timeline: the diagonal band, the cliff under the prompt, and the lines that survive. */
import { areaScales, createAxes, type PlotArea } from '../../draw/axes.ts';
import { fitCells, hatchCells, paintCells } from '../../draw/cells.ts';
import { drawFlag, drawLine, drawLock, drawText, textWidth } from '../../draw/marks.ts';
import { roundTicks, type Scale } from '../../draw/scale.ts';
import { clearSurface, createSurface, type Rect, type Surface } from '../../draw/surface.ts';
import { packed, rampIndex, rgb, type Theme } from '../../draw/theme.ts';
import { placeWords, tokenWord } from '../../draw/words.ts';
import { type Run, seenAtStep } from '../../store/run.ts';
import { type Store, selected, shownRun, shownStep } from '../../store/store.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { showCard } from './card.ts';
import { describeEviction } from './describe.ts';
import {
  cellGone,
  cellHeld,
  type EvictionDrawing,
  encodeEviction,
  type HeadChoice,
  lifetimeOf,
  type MapFit,
} from './encode.ts';

const margin = { left: 40, right: 10, top: 46, bottom: 36 };

export const evictionTimeline: PanelKind = {
  id: 'eviction-timeline',
  title: 'Eviction timeline',
  restMs: 90,
  mount(host, { store, redraw }) {
    const surface = createSurface(host);
    const axes = createAxes(host, redraw);
    const card = document.createElement('div');
    card.className = 'kvlab-card';
    card.hidden = true;
    host.append(card);
    let chosen: 'all' | 'one' | undefined;
    let scales: { x: Scale; y: Scale } | undefined;
    const controls = segmented(
      'Heads',
      [
        { value: 'one', text: 'One head' },
        { value: 'all', text: 'All' },
      ],
      'all',
      (view) => {
        chosen = view;
        redraw();
      },
    );
    followPointer(
      host,
      (x, y) => {
        const run = shownRun(store);
        if (!run || !scales || y < margin.top - 8 || y > surface.height - margin.bottom) return undefined;
        const position = Math.floor(scales.x.invert(x));
        const step = Math.floor(scales.y.invert(y));
        return position >= 0 && position < seenAtStep(run, Math.max(0, Math.min(run.step, step)))
          ? { position }
          : undefined;
      },
      store,
    );
    return {
      controls,
      draw(theme) {
        clearSurface(surface);
        const run = shownRun(store);
        if (!run) {
          drawEmpty(surface, theme);
          axes.set([], surface, theme);
          showCard(card, undefined, undefined, 'right');
          return describeEviction(undefined, 0, undefined, undefined, undefined, theme);
        }
        const step = shownStep(store, run);
        const { area, fit } = layoutMap(run, surface, axes.zoomed(0).x);
        axes.set([area], surface, theme);
        scales = areaScales(area, axes.zoomed(0));
        // Where nothing leaves, the map of all heads is one dark plane: zones of one head say more.
        const view = chosen ?? (run.info.method.quantizes ? 'one' : 'all');
        markChoice(controls, view);
        const head = view === 'one' ? headOf(store, run) : undefined;
        const drawing = encodeEviction(run, step, head, fit);
        const { position } = selected(store);
        drawMap(surface, theme, drawing, area.rect, scales, head !== undefined);
        drawAround(surface, theme, run, drawing, area.rect, scales, store, step, position, head !== undefined);
        const lifetime = position === undefined ? undefined : lifetimeOf(run, position, step);
        const side = position !== undefined && scales.x(position) > surface.width - 230 ? 'left' : 'right';
        showCard(card, surface.width > 400 ? run : undefined, lifetime, side);
        return describeEviction(run, step, drawing, head, position, theme);
      },
      step(columns, rows) {
        const run = shownRun(store);
        if (!run) return undefined;
        const seen = seenAtStep(run, shownStep(store, run));
        const position = (selected(store).position ?? -1) + columns + rows * 16;
        return { position: Math.max(0, Math.min(seen - 1, position)) };
      },
      dispose: () => axes.dispose(),
    };
  },
};

/** The head that one-head views show: the selected one, else one in a late layer. */
export function headOf(store: Store, run: Run): HeadChoice {
  const { layer, kvHead } = selected(store);
  const { layers, kvHeads } = run.info.model;
  return { layer: layer ?? Math.floor((layers * 5) / 6), kvHead: kvHead ?? Math.floor(kvHeads / 2) };
}

/** Places the map so that cells are whole device pixels, and bins what is too narrow. */
function layoutMap(
  run: Run,
  surface: Surface,
  zoomed: readonly [number, number] | undefined,
): { area: PlotArea; fit: MapFit } {
  const ended = run.state !== 'running' && run.state !== 'paused';
  const steps = Math.max(1, ended ? run.step : Math.max(run.info.maxTokens, run.step));
  const positions = run.info.promptLength + steps;
  const room = {
    width: Math.max(20, surface.width - margin.left - margin.right),
    height: Math.max(20, surface.height - margin.top - margin.bottom),
  };
  const columns = fitCells(positions, room.width * surface.density);
  const rows = fitCells(steps + 1, room.height * surface.density, 1);
  const whole: Rect = {
    x: margin.left,
    y: margin.top,
    width: (columns.count * columns.pixels) / surface.density,
    height: (rows.count * rows.pixels) / surface.density,
  };
  const all: readonly [number, number] = [0, columns.count * columns.bin];
  const shown = zoomed ?? all;
  const from = Math.max(0, Math.floor(shown[0]));
  const count = Math.max(1, Math.min(positions, Math.ceil(shown[1])) - from);
  const bin = zoomed ? fitCells(count, whole.width * surface.density).bin : columns.bin;
  const ticksOf = ([from, to]: readonly [number, number]) =>
    roundTicks([Math.max(0, from), Math.min(positions, to)], whole.width < 300 ? 3 : 5);
  const area: PlotArea = {
    rect: whole,
    x: {
      range: all,
      ticks: ticksOf(shown).map((t) => t + 0.5),
      labels: ticksOf(shown).map(String),
      title: axisTitle(bin, rows.bin),
      line: true,
    },
    y: {
      range: [rows.count * rows.bin, 0],
      ticks: roundTicks([0, steps], 5)
        .filter((t) => t > 0)
        .map((t) => t + 0.5),
      labels: roundTicks([0, steps], 5)
        .filter((t) => t > 0)
        .map(String),
    },
    zoom: 'x',
  };
  return { area, fit: { from, positions: count, steps, columnBin: bin, rowBin: rows.bin } };
}

/** Says how many tokens and steps share a cell, where they do. */
function axisTitle(columnBin: number, rowBin: number): string {
  const bins = [columnBin > 1 ? `${columnBin} tokens a column` : '', rowBin > 1 ? `${rowBin} steps a row` : ''].filter(
    Boolean,
  );
  return ['token position', ...bins].join(', ');
}

function drawMap(
  surface: Surface,
  theme: Theme,
  drawing: EvictionDrawing,
  rect: Rect,
  scales: { x: Scale; y: Scale },
  oneHead: boolean,
): void {
  const { cells, columns, rows, most, zones } = drawing;
  const words = new Uint32Array(cells.length);
  const mask = new Uint8Array(cells.length);
  const tones = zones.map(({ tone }) => packed(...rgb(theme.tones[tone])));
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i]!;
    if (cell === cellGone) mask[i] = 1;
    else if (cell >= cellHeld)
      words[i] = oneHead
        ? (tones[cell - cellHeld] ?? 0)
        : theme.ramp[Math.max(18, rampIndex((cell - cellHeld) / most))]!;
  }
  const left = scales.x(drawing.from);
  const place: Rect = {
    x: left,
    y: rect.y,
    width: scales.x(drawing.from + columns * drawing.columnBin) - left,
    height: scales.y(rows * drawing.rowBin) - rect.y,
  };
  const { context } = surface;
  context.save();
  context.beginPath();
  context.rect(rect.x, rect.y, rect.width, rect.height);
  context.clip();
  hatchCells(surface, place, columns, rows, mask, theme.goneHatch, theme.goneGround);
  paintCells(surface, place, columns, rows, words);
  context.restore();
}

function drawAround(
  surface: Surface,
  theme: Theme,
  run: Run,
  drawing: EvictionDrawing,
  rect: Rect,
  { x, y }: { x: Scale; y: Scale },
  store: Store,
  step: number,
  position: number | undefined,
  oneHead: boolean,
): void {
  const { context } = surface;
  const right = rect.x + rect.width;
  const prompt = Math.min(right, x(run.info.promptLength));
  context.fillStyle = oneHead ? theme.tones.recent : theme.rampCss[255]!;
  context.fillRect(Math.max(rect.x, x(0)), rect.y - 7, Math.max(0, prompt - Math.max(rect.x, x(0))), 5);
  drawText(surface, theme, 'in', rect.x - 6, rect.y - 4, { align: 'right', colour: theme.ink3 });
  if (rect.height > 120)
    drawText(surface, theme, 'step', rect.x - 6, rect.y + 9, { align: 'right', colour: theme.ink3 });
  if (prompt < right && prompt > rect.x)
    drawLine(
      surface,
      [
        [prompt, rect.y],
        [prompt, rect.y + rect.height],
      ],
      { colour: theme.ink3, dash: [1, 3] },
    );

  const bottom = y(step + 1);
  if (bottom < rect.y + rect.height - 1) {
    drawLine(
      surface,
      [
        [rect.x, bottom + 0.5],
        [right, bottom + 0.5],
      ],
      { colour: theme.ink },
    );
    const words = `step ${step} of ${run.info.maxTokens}, ${run.state !== 'running' && store.clock.mode === 'live' ? run.state : store.clock.mode}`;
    if (bottom + 20 < rect.y + rect.height)
      drawText(surface, theme, words, rect.x + 4, bottom + 11, { colour: theme.ink });
  }
  nameRegions(surface, theme, run, drawing, rect, { x, y }, step);

  const centre = (p: number) => x(p + 0.5);
  const inside = position !== undefined && x(position) >= rect.x - 1 && x(position + 1) <= right + 1;
  const flags = inside
    ? [
        drawFlag(
          surface,
          theme,
          `${position} ${tokenWord(run.texts[position]?.text ?? '').trim()}`,
          centre(position),
          rect.y - 17,
          [rect.x, right],
        ),
      ]
    : [];
  const placed = placeWords(drawing.words, centre, (text) => textWidth(surface, theme, text), [rect.x, right], flags);
  for (const word of placed) {
    const at = centre(word.position);
    drawLine(
      surface,
      [
        [at, rect.y - (word.tier === 0 ? 12 : 24)],
        [at, rect.y - 8],
      ],
      { colour: theme.ink3 },
    );
    drawText(surface, theme, word.text, word.centre, rect.y - (word.tier === 0 ? 18 : 31), {
      align: 'center',
      colour: theme.ink,
    });
  }
  if (inside) {
    const column = {
      x: x(position),
      y: rect.y - 8,
      width: Math.max(2, x(position + 1) - x(position)),
      height: Math.min(bottom, rect.y + rect.height) - rect.y + 8,
    };
    if (store.locked.position === position) drawLock(surface, theme, column, 'column');
    else
      drawLine(
        surface,
        [
          [centre(position), rect.y - 8],
          [centre(position), column.y + column.height],
        ],
        { colour: theme.ink },
      );
  }
}

/** Names what has no ink of its own: the diagonal band and the triangle of tokens that are not written yet. */
function nameRegions(
  surface: Surface,
  theme: Theme,
  run: Run,
  drawing: EvictionDrawing,
  rect: Rect,
  { x, y }: { x: Scale; y: Scale },
  step: number,
): void {
  const right = rect.x + rect.width;
  const label = 'not written yet';
  const width = textWidth(surface, theme, label);
  const row = 12;
  const free = x(run.info.promptLength + y.invert(rect.y + row + 6));
  if (right - 6 - width > free + 8)
    drawText(surface, theme, label, right - 6, rect.y + row, { align: 'right', colour: theme.ink2 });
  const evicts = drawing.cells.includes(cellGone);
  if (!drawing.recent || !evicts) return;
  const words = `recent, ${drawing.recent} tokens`;
  const at = step * 0.45;
  const left = x(run.info.promptLength + at) + 14;
  if (step > 20 && left + textWidth(surface, theme, words) < right)
    drawText(surface, theme, words, left, y(at), { colour: theme.ink });
}

function drawEmpty(surface: Surface, theme: Theme): void {
  const [left, right, top, bottom] = [margin.left, surface.width - margin.right, 20, surface.height - margin.bottom];
  drawLine(
    surface,
    [
      [left, top],
      [left, bottom],
      [right, bottom],
    ],
    { colour: theme.rule2 },
  );
  drawLine(
    surface,
    [
      [left, top],
      [right, bottom],
    ],
    { colour: theme.rule2, dash: [3, 4] },
  );
}
