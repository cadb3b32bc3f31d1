/** Memory over time: the stack against the budget line. */
import type { PlotArea } from '../../draw/axes.ts';
import { dotPattern, hatchPattern } from '../../draw/cells.ts';
import { drawLine, drawRampKey, drawText, textWidth } from '../../draw/marks.ts';
import { clipped, createPlot, drawGridLines, drawRange, within } from '../../draw/plot.ts';
import { indexTicks, linearScale, mebibytes, roundAbove, roundTicks, type Scale, whole } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { faded, rampIndex, type Theme } from '../../draw/theme.ts';
import { type Store, shownRange, shownRun, shownStep } from '../../store/store.ts';
import { brushSteps } from '../brush.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { describeMemory } from './describe.ts';
import { type Band, encodeMemory, type MemoryDrawing, valueAt } from './encode.ts';
import { type PageMap, pageMap, pagePositions } from './pages.ts';

const mib = 2 ** 20;
/** Width from which the page map stands beside the stack, and what it takes. */
const pagesFrom = 620;
const pagesWidth = 236;

export const memoryOverTime: PanelKind = {
  id: 'memory-over-time',
  title: 'Memory over time',
  restMs: 200,
  mount(host, { store, redraw }) {
    const plot = createPlot(host, redraw);
    const { surface } = plot;
    let pages: Rect | undefined;
    let stack: Rect | undefined;
    let view: 'held' | 'claimed' = 'held';
    let scales: { x: Scale; y: Scale } | undefined;
    const controls = segmented(
      'Bytes',
      [
        { value: 'held', text: 'Held' },
        { value: 'claimed', text: 'Claimed' },
      ],
      view,
      (chosen) => choose(chosen),
    );
    const choose = (chosen: 'held' | 'claimed') => {
      view = chosen;
      redraw();
    };
    brushSteps(
      host,
      (x, y) => {
        const run = shownRun(store);
        if (!run || !scales || !stack || y < stack.y + stack.height || x < stack.x - 6 || x > stack.x + stack.width + 6)
          return undefined;
        return Math.max(0, Math.min(run.step, Math.round(scales.x.invert(x)) - run.info.promptLength));
      },
      store,
    );
    followPointer(
      host,
      (x, y) => {
        const run = shownRun(store);
        if (run && pages && within(pages, x, y)) {
          const map = pageMap(run, shownStep(store, run));
          const layer = Math.floor(((y - pages.y) / pages.height) * map.layers);
          const position = Math.floor(((x - pages.x) / pages.width) * map.pages) * pagePositions;
          return { layer, position: Math.min(position, run.texts.length - 1) };
        }
        if (!stack || x > stack.x + stack.width || y > stack.y + stack.height) return undefined;
        const step = scales && run ? Math.round(scales.x.invert(x)) - run.info.promptLength : -1;
        return run && step >= 0 && step <= run.step ? { step } : undefined;
      },
      store,
    );
    return {
      controls,
      keys: { h: { does: 'held or claimed bytes', press: () => choose(view === 'held' ? 'claimed' : 'held') } },
      draw(theme) {
        plot.clear();
        markChoice(controls, view);
        const run = shownRun(store);
        const wide = surface.width >= pagesFrom;
        const range = run ? shownRange(store, run) : ([0, 0] as const);
        const map = run && wide ? pageMap(run, range[1]) : undefined;
        const memory = run && encodeMemory(run, store.preview.step ?? shownStep(store, run));
        const said = describeMemory(run, memory, view, range, map);
        const named = surface.width >= 420;
        const rect: Rect = {
          x: 34,
          y: 18,
          width: surface.width - 34 - (named ? 126 : 8) - (wide ? pagesWidth : 0),
          height: surface.height - 18 - 34,
        };
        const tokens = run ? run.info.promptLength + (run.state === 'finished' ? run.step : run.info.maxTokens) : 200;
        const top = memory ? topOf(memory, view) : 4 * mib;
        const start = memory && memory.rowsOfPrompt < 2 ? firstShown(memory.seen[0]!, tokens) : 0;
        const ticks = roundTicks([start, tokens], 4);
        const area: PlotArea = {
          rect,
          x: { range: [start, tokens], ticks, title: 'tokens seen', line: true },
          y: { range: [0, top / mib], ticks: roundTicks([0, top / mib], 4) },
          zoom: 'x',
        };
        scales = plot.areas([area], theme)[0]!;
        stack = rect;
        pages = undefined;
        const y = linearScale([0, top], [rect.y + rect.height, rect.y]);
        drawText(surface, theme, 'MiB', 2, 7, { colour: theme.ink3 });
        drawGridLines(surface, theme, area, scales);
        if (!run || !memory) return said;
        const { x } = scales;
        clipped(surface, { ...rect, y: rect.y - 2, width: rect.width + 1, height: rect.height + 3 }, () => {
          if (view === 'held') drawBands(surface, theme, memory, x, y);
          else drawClaimed(surface, theme, memory, x, y);
        });
        if (store.clock.mode === 'range') {
          const at = (step: number) => x(run.info.promptLength + step);
          drawRange(surface, theme, rect, 'x', at(range[0]), at(range[1]));
        }
        if (map)
          pages = drawPages(surface, theme, map, store, {
            x: surface.width - pagesWidth + 34,
            y: rect.y,
            width: pagesWidth - 40,
            height: rect.height,
          });
        drawReferences(surface, theme, memory, rect, scales.x, y, top, run.info.promptLength);
        if (named && view === 'held') nameBeside(surface, theme, memory, rect, y);
        const cursor = scales.x(memory.seen[memory.row]!);
        if (store.clock.mode === 'pinned' || store.preview.step !== undefined || run.state === 'running')
          drawLine(
            surface,
            [
              [cursor, rect.y],
              [cursor, rect.y + rect.height],
            ],
            { colour: theme.ink },
          );
        return said;
      },
      step(columns) {
        const run = shownRun(store);
        if (!run) return undefined;
        const step = (store.preview.step ?? shownStep(store, run)) + columns;
        return { step: Math.max(0, Math.min(run.step, step)) };
      },
      dispose: () => plot.dispose(),
    };
  },
};

/** The page map: layers down, pages along; dark is full, hatched is free. Gives where it lies. */
function drawPages(surface: Surface, theme: Theme, map: PageMap, store: Store, room: Rect): Rect {
  const { context } = surface;
  const density = surface.density;
  const cell = {
    width: Math.max(1, Math.floor((room.width * density) / map.pages)) / density,
    height: Math.max(1, Math.floor((room.height * density) / map.layers)) / density,
  };
  const rect = { ...room, width: cell.width * map.pages, height: cell.height * map.layers };
  const gap = Math.min(cell.width, cell.height) > 5 ? 1 : 0;
  drawText(
    surface,
    theme,
    `Pages of ${pagePositions} positions: ${whole(map.free)} of ${whole(map.live.length)} free`,
    rect.x,
    7,
    {
      bold: true,
      colour: theme.ink,
    },
  );
  const hatch = hatchPattern(context, theme.goneHatch, density, 4, 1);
  for (let layer = 0; layer < map.layers; layer++)
    for (let page = 0; page < map.pages; page++) {
      const live = map.live[layer * map.pages + page]!;
      const place = [
        rect.x + page * cell.width,
        rect.y + layer * cell.height,
        cell.width - gap,
        cell.height - gap,
      ] as const;
      context.fillStyle = live ? theme.rampCss[Math.max(18, rampIndex(live / map.room))]! : theme.goneGround;
      context.fillRect(...place);
      if (live) continue;
      context.fillStyle = hatch;
      context.fillRect(...place);
    }
  for (const layer of indexTicks(map.layers, 10))
    drawText(surface, theme, String(layer), rect.x - 6, rect.y + (layer + 0.5) * cell.height, {
      align: 'right',
      colour: theme.ink3,
    });
  const bottom = rect.y + rect.height;
  const positions = map.pages * pagePositions;
  for (const tick of roundTicks([0, positions], 3))
    drawText(surface, theme, String(tick), rect.x + (tick / positions) * rect.width, bottom + 10, {
      align: tick ? 'center' : 'left',
      colour: theme.ink3,
    });
  drawRampKey(surface, theme, rect.x, bottom + 26, 'live 1', String(map.room), 60);
  const { layer, position } = { ...store.locked, ...store.preview };
  context.strokeStyle = theme.ink;
  context.lineWidth = 1;
  if (position !== undefined && position < positions)
    context.strokeRect(
      rect.x + Math.floor(position / pagePositions) * cell.width - 0.5,
      rect.y - 0.5,
      cell.width,
      rect.height,
    );
  if (layer !== undefined && layer < map.layers)
    context.strokeRect(rect.x - 0.5, rect.y + layer * cell.height - 0.5, rect.width, cell.height);
  return rect;
}

function topOf(memory: MemoryDrawing, view: 'held' | 'claimed'): number {
  const most = (values: Float64Array | undefined) => values?.reduce((a, b) => Math.max(a, b || 0), 0) ?? 0;
  const wanted = view === 'held' ? most(memory.held) : most(memory.claimed);
  const budget = most(memory.budget);
  const peak = memory.peak && budget > 0 && memory.peak.bytes < budget * 6 ? memory.peak.bytes : 0;
  return roundAbove((Math.max(wanted, budget, peak) * 1.15) / mib) * mib;
}

/** Where the axis starts when nothing is known of the time before the prompt was read: a little before its end. */
function firstShown(prompt: number, tokens: number): number {
  return Math.max(0, Math.floor(prompt - (tokens - prompt) * 0.12));
}

/** Corners of a band: steps hold their value until the next row. */
function outline(memory: MemoryDrawing, x: Scale, values: (row: number) => number): [number, number][] {
  return memory.seen.flatMap((seen, row): [number, number][] => {
    const from = row === 0 ? Math.max(0, seen - 1) : memory.seen[row - 1]!;
    return [
      [x(from), values(row)],
      [x(seen), values(row)],
    ];
  });
}

function drawBands(surface: Surface, theme: Theme, memory: MemoryDrawing, x: Scale, y: Scale): void {
  const { context } = surface;
  const base = new Float64Array(memory.seen.length);
  for (const band of memory.bands) {
    const low = outline(memory, x, (row) => y(base[row]!));
    const high = outline(memory, x, (row) => y(base[row]! + band.bytes[row]!));
    const path = new Path2D();
    for (const [i, [px, py]] of high.entries()) i === 0 ? path.moveTo(px, py) : path.lineTo(px, py);
    for (const [px, py] of low.reverse()) path.lineTo(px, py);
    path.closePath();
    context.fillStyle = band.tone === 'slack' ? theme.goneGround : bandColour(theme, band);
    context.fill(path);
    if (band.fill === 'dots') context.fillStyle = dotPattern(context, theme.slack, surface.density);
    if (band.fill === 'hatch') context.fillStyle = hatchPattern(context, theme.slack, surface.density, 7, 1);
    if (band.fill === 'dots' || band.fill === 'hatch') context.fill(path);
    drawLine(surface, high, { colour: band.tone === 'fresh' ? theme.ink3 : theme.paper, width: 0.6 });
    for (const [row, bytes] of band.bytes.entries()) base[row]! += bytes;
  }
}

function drawClaimed(surface: Surface, theme: Theme, memory: MemoryDrawing, x: Scale, y: Scale): void {
  if (!memory.claimed) return;
  drawLine(
    surface,
    outline(memory, x, (row) => y(memory.held[row]!)),
    { colour: theme.ink3, dash: [2, 3] },
  );
  drawLine(
    surface,
    outline(memory, x, (row) => y(valueAt(memory.claimed, row))),
    { colour: theme.ink, width: 2 },
  );
}

function bandColour(theme: Theme, band: Band): string {
  const hex = band.tone === 'slack' ? theme.slack : theme.tones[band.tone];
  return band.fill === 'light' ? faded(theme, hex, 0.62) : hex;
}

function drawReferences(
  surface: Surface,
  theme: Theme,
  memory: MemoryDrawing,
  rect: Rect,
  x: Scale,
  y: Scale,
  top: number,
  promptLength: number,
): void {
  const right = rect.x + rect.width;
  const prompt = x(promptLength);
  drawLine(
    surface,
    [
      [prompt, rect.y],
      [prompt, rect.y + rect.height],
    ],
    { colour: theme.ink3, dash: [1, 3] },
  );
  if (memory.full) {
    const points = memory.seen.map((seen, row): [number, number] => [x(seen), y(valueAt(memory.full, row))]);
    const line: [number, number][] = [[x(0), y(0)], ...points];
    clipped(surface, rect, () => drawLine(surface, line, { colour: theme.ink, width: 1.2 }));
    const last = memory.full.length - 1;
    const label = `full ${mebibytes(memory.full[last]!)}`;
    const slope = memory.full[last]! / memory.seen[last]!;
    const exit = x(Math.min(memory.seen[last]!, top / slope));
    const beyond = memory.full[last]! > top;
    // Right of the place where the line leaves the plot nothing else is drawn; where there is no room, left of it.
    const words = beyond ? `${label} ↗` : label;
    const after = beyond && exit + 8 + textWidth(surface, theme, words) < right;
    if (exit > rect.x)
      drawText(surface, theme, words, after ? exit + 8 : exit - 6, beyond ? rect.y + 8 : y(memory.full[last]!) - 9, {
        align: after ? 'left' : 'right',
        halo: true,
      });
  }
  const budget = valueAt(memory.budget, memory.row);
  if (Number.isFinite(budget)) {
    drawLine(
      surface,
      [
        [rect.x, y(budget)],
        [right, y(budget)],
      ],
      { colour: theme.ink, width: 1.5, dash: [6, 4] },
    );
    drawText(surface, theme, `budget ${mebibytes(budget)}`, prompt + 8, y(budget) - 10, { halo: true });
  }
  if (
    memory.peak &&
    Number.isFinite(memory.peak.bytes) &&
    memory.peak.bytes > valueAt(memory.held, memory.row) * 1.15
  ) {
    const at = x(memory.peak.seen);
    const high = Math.max(rect.y, y(memory.peak.bytes));
    const over = Number.isFinite(budget) && memory.peak.bytes > budget;
    if (over)
      drawLine(
        surface,
        [
          [at, y(budget)],
          [at, high],
          [at - 4, high],
        ],
        { colour: theme.error, width: 1.5 },
      );
    else
      drawLine(
        surface,
        [
          [at - 5, high],
          [at + 5, high],
        ],
        { colour: theme.ink, width: 1.5 },
      );
    const label = `peak ${mebibytes(memory.peak.bytes)}`;
    const left = at - textWidth(surface, theme, label, { bold: true }) - 8;
    drawText(surface, theme, label, left > rect.x ? at - 8 : at + 8, high + 6, {
      align: left > rect.x ? 'right' : 'left',
      bold: true,
      colour: theme.ink,
      halo: true,
    });
  }
}

/** Names of bands at their right end, apart enough to be read. */
function nameBeside(surface: Surface, theme: Theme, memory: MemoryDrawing, rect: Rect, y: Scale): void {
  const { context } = surface;
  const last = memory.seen.length - 1;
  let base = 0;
  const names = memory.bands.map((band) => {
    const middle = base + band.bytes[last]! / 2;
    base += band.bytes[last]!;
    return { band, at: y(middle), bytes: band.bytes[last]! };
  });
  const shown = names.filter((name) => name.bytes > 0);
  for (let i = 1; i < shown.length; i++) shown[i]!.at = Math.min(shown[i]!.at, shown[i - 1]!.at - 16);
  for (const { band, at, bytes } of shown) {
    const x = rect.x + rect.width + 8;
    context.fillStyle =
      band.fill === 'hatch'
        ? hatchPattern(context, theme.slack, surface.density, 4, 1)
        : band.fill === 'dots'
          ? dotPattern(context, theme.slack, surface.density)
          : bandColour(theme, band);
    context.fillRect(x, at - 4, 8, 8);
    drawText(surface, theme, `${band.name} ${mebibytes(bytes)}`, x + 13, at, { colour: theme.ink });
  }
}
