/** Quantization error: stripes against bands, the gap between two dots of each layer, the ringed worst channel. */
import { areaScales, type PlotArea } from '../../draw/axes.ts';
import { paintCells } from '../../draw/cells.ts';
import { drawLine, drawLock, drawText } from '../../draw/marks.ts';
import { createPlot, drawGridLines, flagWords, markToken, within } from '../../draw/plot.ts';
import { fixed, indexTicks, roundAbove, roundTicks } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import type { Run } from '../../store/run.ts';
import { type Store, selected, shownRun, shownStep } from '../../store/store.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { describeErrors } from './describe.ts';
import {
  type ErrorDrawing,
  type ErrorMap,
  encodeErrors,
  errorHistogram,
  errorLevel,
  histogramBins,
  type Part,
} from './encode.ts';

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
        areas = layoutAreas(surface, drawing, shown, side);
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

type LayerMeasure = keyof ErrorDrawing['byLayer'];
type SideView = Exclude<LayerMeasure, 'meanSquaredError'> | 'histogram';
/** What can stand beside the maps. */
const sideViews: Readonly<Record<SideView, { title: string; unit: string }>> = {
  snrDb: { title: 'Signal to error', unit: 'dB' },
  cosine: { title: 'Cosine', unit: '' },
  maxAbs: { title: 'Largest error', unit: '' },
  histogram: { title: 'Histogram', unit: 'share' },
};

/** For each part a map of channels above a map of tokens, then the dots by layer. */
function layoutAreas(surface: Surface, drawing: ErrorDrawing, shown: readonly Part[], side: SideView): PlotArea[] {
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
    const tokens = drawing.tokens[part].columns;
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

function sideAxis(drawing: ErrorDrawing, side: SideView): PlotArea['x'] {
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

function paintMap(surface: Surface, theme: Theme, drawing: ErrorDrawing, map: ErrorMap, rect: Rect): void {
  const words = Uint32Array.from(map.values, (error) => theme.ramp[rampIndex(errorLevel(drawing, error))]!);
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
  paintMap(surface, theme, drawing, map, rect);
  drawText(surface, theme, 'by token', rect.x, rect.y - 10, { colour: theme.ink });
  const exact = firstExact(map, drawing.layers);
  const words = 'exact';
  if (exact < map.columns && x(map.columns) - x(exact) > 34)
    drawText(surface, theme, words, (x(exact) + x(map.columns)) / 2, rect.y + rect.height / 2, {
      align: 'center',
      colour: theme.ink2,
    });
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

/** Shares of tokens by error, keys as a full line, values as a dashed one; of the selected layer, or of all. */
function drawHistogram(
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
function drawLayers(
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
