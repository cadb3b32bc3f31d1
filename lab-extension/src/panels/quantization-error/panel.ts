/** Quantization error: stripes against bands, the gap between two dots of each layer, the ringed worst channel. */
import { areaScales, type PlotArea } from '../../draw/axes.ts';
import { paintCells } from '../../draw/cells.ts';
import { drawLine, drawLock, drawText } from '../../draw/marks.ts';
import { createPlot, flagWords, markToken, markTokens, within } from '../../draw/plot.ts';
import { fixed, indexTicks, roundTicks } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import type { Run } from '../../store/run.ts';
import { lockedPositions, type Store, selected, shownRun, shownStep } from '../../store/store.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { describeErrors } from './describe.ts';
import { type ErrorDrawing, type ErrorMap, encodeErrors, errorLevel, histogramBins, type Part } from './encode.ts';
import { drawHistogram, drawLayers, type LayerMeasure, type SideView, sideAxis, sideViews } from './side.ts';

export const quantizationError: PanelKind = {
  id: 'quantization-error',
  title: 'Quantization error',
  restMs: 500,
  mount(host, { store, redraw }) {
    const plot = createPlot(host, redraw);
    const { surface } = plot;
    let side: SideView = 'snrDb';
    let tab: Part = 'keys';
    let areas: PlotArea[] = [];
    const sides = document.createElement('select');
    sides.setAttribute('aria-label', 'Beside the maps');
    for (const [value, { title }] of Object.entries(sideViews)) sides.add(new Option(title, value));
    sides.addEventListener('change', () => {
      side = sides.value as SideView;
      redraw();
    });
    const choose = (part: Part) => {
      tab = part;
      redraw();
    };
    const tabs = segmented<Part>(
      'Part',
      [
        { value: 'keys', text: 'K' },
        { value: 'values', text: 'V' },
      ],
      tab,
      choose,
    );
    const controls = document.createElement('span');
    controls.className = 'kvlab-choices';
    controls.append(sides, tabs);
    followPointer(
      host,
      (x, y) => {
        const run = shownRun(store);
        const area = areas.find(({ rect }) => within(rect, x, y));
        if (!run || !area) return undefined;
        const scales = areaScales(area);
        const layer = Math.max(0, Math.min(run.info.model.layers - 1, Math.floor(scales.y.invert(y))));
        const tokens = area.x.title === 'token position';
        return tokens ? { layer, position: Math.floor(scales.x.invert(x)) } : { layer };
      },
      store,
    );
    return {
      controls,
      keys: {
        k: { does: 'keys', press: () => choose('keys') },
        v: { does: 'values', press: () => choose('values') },
      },
      draw(theme) {
        plot.clear();
        markChoice(tabs, tab);
        const run = shownRun(store);
        const drawing = run?.info.method.quantizes ? encodeErrors(run) : undefined;
        const wide = surface.width >= 600;
        controls.hidden = !drawing;
        tabs.hidden = wide;
        sides.hidden = surface.width < 420;
        const step = run ? shownStep(store, run) : 0;
        const { position } = selected(store);
        if (!run || !drawing) {
          areas = [];
          plot.areas(areas, theme);
          return describeErrors(run, step, drawing, position);
        }
        const shown: Part[] = wide ? ['keys', 'values'] : [tab];
        areas = layoutAreas(surface, drawing, plannedTokens(run, drawing), shown, side);
        plot.areas(areas, theme);
        for (const [i, part] of shown.entries()) {
          drawChannels(surface, theme, run, drawing, part, areas[i * 2]!);
          drawTokens(surface, theme, run, drawing, part, areas[i * 2 + 1]!, store, position);
        }
        const { layer } = selected(store);
        if (layer !== undefined && layer < drawing.layers)
          for (const { rect } of areas.slice(0, shown.length * 2)) {
            const height = rect.height / drawing.layers;
            drawLock(surface, theme, { ...rect, y: rect.y + layer * height, height }, 'row');
          }
        const dots = areas[shown.length * 2];
        if (dots && side === 'histogram') drawHistogram(surface, theme, drawing, dots, selected(store).layer);
        else if (dots) drawLayers(surface, theme, drawing, dots, side as LayerMeasure);
        return describeErrors(run, step, drawing, position);
      },
      step(columns, rows) {
        const run = shownRun(store);
        if (!run) return undefined;
        const { layer = 0, position = 0 } = selected(store);
        const within = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
        return {
          layer: within(layer + rows, run.info.model.layers),
          position: within(position + columns, run.texts.length),
        };
      },
      dispose: () => plot.dispose(),
    };
  },
};

/** Tokens on the axis: those that will be written while the run goes on, so that the axis stands still. */
function plannedTokens(run: Run, { tokens }: ErrorDrawing): number {
  const going = run.state === 'running' || run.state === 'paused';
  return Math.max(tokens.keys.columns, going ? run.info.promptLength + run.info.maxTokens : 0);
}

/** For each part a map of channels above a map of tokens, then the dots by layer. */
function layoutAreas(
  surface: Surface,
  drawing: ErrorDrawing,
  tokens: number,
  shown: readonly Part[],
  side: SideView,
): PlotArea[] {
  const dotWidth = surface.width >= 420 ? 124 : 0;
  const gap = 30;
  const left = 28;
  const room = surface.width - left - (dotWidth ? dotWidth + 44 : 6) - gap * (shown.length - 1);
  const width = Math.floor(room / shown.length);
  const top = 40;
  const between = 34;
  const height = Math.max(30, Math.floor((surface.height - top - between - 36) / 2));
  const ticks = indexTicks(drawing.layers, 10);
  const layersAxis = (labels: boolean) => ({
    range: [drawing.layers, 0] as const,
    ticks: labels ? ticks.map((t) => t + 0.5) : [],
    labels: ticks.map(String),
  });
  const areas = shown.flatMap((part, i): PlotArea[] => {
    const x = left + i * (width + gap);
    return [
      {
        rect: { x, y: top, width, height },
        x: { range: [0, drawing.channels[part].columns], ticks: [] },
        y: layersAxis(i === 0),
      },
      {
        rect: { x, y: top + height + between, width, height },
        x: {
          range: [0, tokens],
          ticks: roundTicks([0, tokens], 4).map((t) => t + 0.5),
          labels: roundTicks([0, tokens], 4).map(String),
          title: 'token position',
          line: true,
        },
        y: layersAxis(i === 0),
      },
    ];
  });
  if (!dotWidth) return areas;
  const rect = { x: surface.width - dotWidth - 8, y: top, width: dotWidth, height: height * 2 + between };
  const x = sideAxis(drawing, side);
  if (side !== 'histogram') return [...areas, { rect, x, y: { ...layersAxis(true), range: [drawing.layers + 1, 0] } }];
  const ends = [0, histogramBins / 2, histogramBins];
  const labels = ends.map((bin) => fixed(drawing.low * (drawing.high / drawing.low) ** (bin / histogramBins), 2));
  return [...areas, { rect, x, y: { range: [0, histogramBins], ticks: ends, labels } }];
}

/** Colours by the map and the ends of the ramp that they were made from. */
const colours = new WeakMap<ErrorMap, { key: number; words: Uint32Array }>();

function paintMap(surface: Surface, theme: Theme, drawing: ErrorDrawing, map: ErrorMap, rect: Rect): void {
  const painted = colours.get(map);
  const key = theme.ramp[0]! * 1e6 + theme.ramp[255]!;
  const words =
    painted?.key === key
      ? painted.words
      : Uint32Array.from(map.values, (error) => theme.ramp[rampIndex(errorLevel(drawing, error))]!);
  colours.set(map, { key, words });
  paintCells(surface, rect, map.columns, drawing.layers, words);
  surface.context.strokeStyle = theme.rule;
  surface.context.lineWidth = 1;
  surface.context.strokeRect(rect.x - 0.5, rect.y - 0.5, rect.width + 1, rect.height + 1);
}

function drawChannels(
  surface: Surface,
  theme: Theme,
  run: Run,
  drawing: ErrorDrawing,
  part: Part,
  area: PlotArea,
): void {
  const { rect } = area;
  const { kvHeads } = run.info.model;
  paintMap(surface, theme, drawing, drawing.channels[part], rect);
  drawText(surface, theme, part === 'keys' ? 'Keys' : 'Values', rect.x, 8, { bold: true, colour: theme.ink });
  const bits = drawing.bits[part];
  drawText(
    surface,
    theme,
    `${Number.isFinite(bits) ? `${bits} bit, ` : ''}by channel`,
    rect.x + (part === 'keys' ? 34 : 44),
    8,
    { colour: theme.ink2 },
  );
  const head = rect.width / kvHeads;
  for (let kv = 0; kv < kvHeads; kv++) {
    drawLine(
      surface,
      [
        [rect.x + kv * head + 2, rect.y - 5],
        [rect.x + (kv + 1) * head - 3, rect.y - 5],
      ],
      { colour: theme.rule2 },
    );
    drawText(surface, theme, head > 60 ? `kv head ${kv}` : `kv ${kv}`, rect.x + (kv + 0.5) * head, rect.y - 13, {
      align: 'center',
      colour: theme.ink3,
    });
  }
  if (drawing.worst.part !== part) return;
  const { x, y } = areaScales(area);
  const { context } = surface;
  for (const [radius, colour, width] of [
    [6.5, theme.paper, 4],
    [6.5, theme.ink, 1.8],
  ] as const) {
    context.beginPath();
    context.arc(x(drawing.worst.channel + 0.5), y(drawing.worst.layer + 0.5), radius, 0, 7);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

function drawTokens(
  surface: Surface,
  theme: Theme,
  run: Run,
  drawing: ErrorDrawing,
  part: Part,
  area: PlotArea,
  store: Store,
  position: number | undefined,
): void {
  const { rect } = area;
  const { x } = areaScales(area);
  const map = drawing.tokens[part];
  paintMap(surface, theme, drawing, map, { ...rect, width: x(map.columns) - rect.x });
  drawText(surface, theme, 'by token', rect.x, rect.y - 10, { colour: theme.ink });
  const exact = firstExact(map, drawing.layers);
  const words = 'exact';
  if (exact < map.columns && x(map.columns) - x(exact) > 34)
    drawText(surface, theme, words, (x(exact) + x(map.columns)) / 2, rect.y + rect.height / 2, {
      align: 'center',
      colour: theme.ink2,
    });
  markTokens(surface, theme, rect, x, lockedPositions(store));
  if (position === undefined || position >= map.columns) return;
  markToken(surface, theme, rect, x, position, store.locked.position === position, {
    text: flagWords(position, run.texts[position]?.text),
    y: rect.y - 9,
    between: [rect.x + 50, rect.x + rect.width],
  });
}

/** First position from which on every row is exact. */
function firstExact(map: ErrorMap, layers: number): number {
  for (let position = map.columns - 1; position >= 0; position--)
    for (let layer = 0; layer < layers; layer++)
      if (map.values[layer * map.columns + position]! > 0) return position + 1;
  return 0;
}
