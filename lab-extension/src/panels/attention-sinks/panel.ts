/** Attention sinks: where the dark begins; in a wide panel also since when, and which tokens receive. */
import type { SelectedHead } from 'kvlab/frame';
import { areaScales, type PlotArea } from '../../draw/axes.ts';
import { drawLine, drawRampKey, drawSeries, drawText, textWidth } from '../../draw/marks.ts';
import { createPlot, drawGridLines } from '../../draw/plot.ts';
import { fixed, linearScale, movingMean, roundTicks } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { faded, type Theme } from '../../draw/theme.ts';
import { tokenWord } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';
import { lockedHeads, type Store, selected, shownRange, shownRun } from '../../store/store.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { describeSinks } from './describe.ts';
import {
  encodeSinks,
  newestRow,
  plainView,
  receivedBy,
  type SinkMeasure,
  type SinkView,
  sinkMeasures,
  sinkSeries,
  thresholds,
} from './encode.ts';
import { drawGrid, fitGrid, type HeadGrid, headAt, markHead } from './grid.ts';

export const attentionSinks: PanelKind = {
  id: 'attention-sinks',
  title: 'Attention sinks',
  restMs: 95,
  mount(host, { store, redraw }) {
    const plot = createPlot(host, redraw);
    const { surface } = plot;
    let view: SinkView = { ...plainView };
    let grid: HeadGrid | undefined;
    const change = (part: Partial<SinkView>) => {
      view = { ...view, ...part };
      redraw();
    };
    const controls = createControls(view, change);
    followPointer(host, (x, y) => grid && headAt(grid, x, y), store);
    return {
      controls: controls.node,
      keys: {
        s: { does: 'sort heads by what is shaded', press: () => change({ sorted: !view.sorted }) },
        m: {
          does: 'next measure: mass, rate, entropy',
          press: () =>
            change({ measure: sinkMeasures[(sinkMeasures.indexOf(view.measure) + 1) % sinkMeasures.length]! }),
        },
      },
      draw(theme) {
        plot.clear();
        controls.show(view, surface.width >= 420);
        const run = shownRun(store);
        const wide = surface.width >= 420;
        const range = run ? stepsOf(store, run) : ([0, 0] as const);
        const step = range[1];
        const drawing = run && encodeSinks(run, range, view);
        if (!run || !drawing) {
          grid = undefined;
          drawEmptyGrid(surface, theme, wide);
          plot.areas([], theme);
          return describeSinks(run, range, drawing, [], undefined);
        }
        const { kvHeads } = run.info.model;
        const room: Rect = wide
          ? { x: 52, y: 18, width: surface.width - 52 - 44, height: Math.min(126, surface.height * 0.4) }
          : { x: 22, y: 32, width: surface.width - 26, height: surface.height - 32 - 24 };
        grid = fitGrid(surface, room, drawing, !wide);
        drawGrid(surface, theme, grid, drawing);
        const pointed = selected(store);
        const heads = lockedHeads(store);
        if (heads.length > 1) for (const head of heads) markHead(surface, theme, grid, kvHeads, head, true);
        markHead(
          surface,
          theme,
          grid,
          kvHeads,
          pointed,
          store.locked.layer === pointed.layer && store.locked.queryHead === pointed.queryHead,
        );
        const chosen = {
          layer: pointed.layer ?? drawing.strongest.layer,
          queryHead: pointed.queryHead ?? drawing.strongest.queryHead,
        };
        if (wide) {
          drawVerticalKey(surface, theme, drawing, {
            x: grid.rect.x + grid.rect.width + 14,
            y: grid.rect.y,
            width: 7,
            height: grid.rect.height,
          });
          const areas = wideAreas(run, surface, grid.rect.y + grid.rect.height + 44);
          plot.areas(areas, theme);
          drawSince(surface, theme, run, step, areas[0]!, chosen, heads);
          drawReceived(surface, theme, run, areas[1]!, chosen, pointed.position);
        } else {
          plot.areas([], theme);
          drawRampKey(
            surface,
            theme,
            grid.rect.x,
            surface.height - 8,
            '0',
            keyEnd(drawing),
            Math.min(90, surface.width - 70),
          );
        }
        const head =
          pointed.layer !== undefined && pointed.queryHead !== undefined
            ? { layer: pointed.layer, queryHead: pointed.queryHead }
            : undefined;
        const received = receivedBy(run, chosen.layer, chosen.queryHead)?.values[pointed.position ?? -1];
        return describeSinks(
          run,
          range,
          drawing,
          pointed.layer === store.locked.layer && pointed.queryHead === store.locked.queryHead && heads.length > 1
            ? heads
            : head
              ? [head]
              : [],
          received === undefined ? undefined : { position: pointed.position!, received },
        );
      },
      step(columns, rows) {
        const run = shownRun(store);
        if (!run) return undefined;
        const { layers, queryHeads } = run.info.model;
        const { layer = 0, queryHead = 0 } = selected(store);
        const [byLayer, byHead] = grid?.tall ? [rows, columns] : [columns, rows];
        const within = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
        return {
          layer: within(layer + byLayer, layers),
          queryHead: within(queryHead + byHead, queryHeads),
          kvHead: undefined,
        };
      },
      dispose: () => plot.dispose(),
    };
  },
};

/** The steps that the grid speaks of: one, or the range that is held. */
function stepsOf(store: Store, run: Run): readonly [number, number] {
  const [from, to] = shownRange(store, run);
  return store.clock.mode === 'range' ? [from, to] : [to, to];
}

function createControls(first: SinkView, change: (part: Partial<SinkView>) => void) {
  const node = document.createElement('span');
  node.className = 'kvlab-choices';
  const measures = segmented<SinkMeasure>(
    'Shade by',
    [
      { value: 'mass', text: 'Mass' },
      { value: 'rate', text: 'Rate' },
      { value: 'entropy', text: 'Entropy' },
    ],
    first.measure,
    (measure) => change({ measure }),
  );
  const sort = document.createElement('button');
  sort.type = 'button';
  sort.textContent = 'Sort';
  sort.title = 'Heads of a layer by what is shaded, most first (s)';
  sort.addEventListener('click', () => change({ sorted: sort.getAttribute('aria-pressed') !== 'true' }));
  const epsilon = document.createElement('select');
  epsilon.setAttribute('aria-label', 'ε, the share above which a head is a sink');
  for (const value of thresholds) epsilon.add(new Option(`ε ${value}`, String(value)));
  epsilon.addEventListener('change', () => change({ threshold: Number(epsilon.value) }));
  node.append(measures, sort, epsilon);
  return {
    node,
    show(view: SinkView, visible: boolean) {
      node.hidden = !visible;
      markChoice(measures, view.measure);
      sort.setAttribute('aria-pressed', String(view.sorted));
      epsilon.value = String(view.threshold);
    },
  };
}

function wideAreas(run: Run, surface: Surface, top: number): PlotArea[] {
  const height = Math.max(40, surface.height - top - 20);
  const half = (surface.width - 34 - 60 - 10) / 2;
  const steps = Math.max(1, run.state === 'running' ? run.info.maxTokens : run.step);
  const tokens = run.info.promptLength + steps;
  return [
    {
      rect: { x: 34, y: top, width: half, height },
      x: { range: [0, steps], ticks: roundTicks([0, steps], 4), line: true },
      y: { range: [0, 1], ticks: [0, 0.5, 1] },
      zoom: 'x',
    },
    {
      rect: { x: 34 + half + 60, y: top, width: half, height },
      x: { range: [0, tokens], ticks: roundTicks([0, tokens], 4), line: true },
      y: { range: [-4, 0], ticks: [-4, -2, 0], labels: ['0.0001', '0.01', '1'] },
      zoom: 'x',
    },
  ];
}

function drawSince(
  surface: Surface,
  theme: Theme,
  run: Run,
  step: number,
  area: PlotArea,
  head: { layer: number; queryHead: number },
  locked: readonly SelectedHead[],
): void {
  const { x, y } = areaScales(area);
  const { rect } = area;
  const series = sinkSeries(run, step, head.layer, head.queryHead);
  const name = `${head.layer}.${head.queryHead}`;
  drawText(surface, theme, `Mass on tokens 0–${run.info.sinkCount - 1}`, rect.x - 34, rect.y - 18, {
    bold: true,
    colour: theme.ink,
  });
  const right = rect.x + rect.width;
  const all = 'all heads';
  const allWidth = textWidth(surface, theme, all);
  drawText(surface, theme, all, right, rect.y - 18, { align: 'right' });
  drawLine(
    surface,
    [
      [right - allWidth - 26, rect.y - 18],
      [right - allWidth - 6, rect.y - 18],
    ],
    { colour: theme.ink, width: 1.5, dash: [3, 2] },
  );
  const at = right - allWidth - 38;
  drawText(surface, theme, name, at, rect.y - 18, { align: 'right' });
  const nameWidth = textWidth(surface, theme, name);
  drawLine(
    surface,
    [
      [at - nameWidth - 26, rect.y - 18],
      [at - nameWidth - 6, rect.y - 18],
    ],
    { colour: theme.tones.sinks, width: 2 },
  );
  drawGridLines(surface, theme, area, { x, y });
  const points = (values: readonly number[]) => values.map((v, i): [number, number] => [x(series.steps[i]!), y(v)]);
  for (const { layer, queryHead } of locked)
    if (queryHead !== undefined && (layer !== head.layer || queryHead !== head.queryHead))
      drawLine(surface, points(movingMean(sinkSeries(run, step, layer, queryHead).head, 8)), { colour: theme.ink2 });
  drawLine(surface, points(series.head), { colour: theme.tones.sinks, opacity: 0.32 });
  drawLine(surface, points(movingMean(series.mean, 4)), { colour: theme.ink, width: 1.5, dash: [4, 3] });
  drawSeries(surface, theme, points(movingMean(series.head, 8)), theme.tones.sinks);
}

function drawReceived(
  surface: Surface,
  theme: Theme,
  run: Run,
  area: PlotArea,
  head: { layer: number; queryHead: number },
  position: number | undefined,
): void {
  const { x, y } = areaScales(area);
  const { rect } = area;
  const received = receivedBy(run, head.layer, head.queryHead);
  const late = received && received.step < run.step ? `, step ${received.step}` : '';
  drawText(surface, theme, `Received per token, ${head.layer}.${head.queryHead}${late}`, rect.x - 34, rect.y - 18, {
    bold: true,
    colour: theme.ink,
  });
  drawText(surface, theme, 'log', rect.x + rect.width, rect.y - 18, { align: 'right', colour: theme.ink3 });
  drawGridLines(surface, theme, area, { x, y });
  if (!received) return;
  const level = (value: number) => y(Math.max(-4, Math.min(0, Math.log10(value))));
  const { context } = surface;
  const line: [number, number][] = [];
  for (const [i, value] of received.values.entries()) line.push([x(i), level(value)], [x(i + 1), level(value)]);
  if (!line.length) return;
  context.fillStyle = faded(theme, theme.tones.sinks, 0.25);
  context.beginPath();
  context.moveTo(line[0]![0], y(-4));
  for (const [px, py] of line) context.lineTo(px, py);
  context.lineTo(line.at(-1)![0], y(-4));
  context.fill();
  drawLine(surface, line, { colour: theme.tones.sinks });
  const newest = newestRow(run, head.layer, head.queryHead);
  if (newest) {
    context.fillStyle = theme.ink;
    for (const [i, value] of newest.entries())
      if (value > 1e-4) context.fillRect(x(i + 0.5) - 0.75, level(value) - 0.75, 1.5, 1.5);
    drawText(surface, theme, '· newest query', rect.x + rect.width - 24, rect.y - 18, {
      align: 'right',
      colour: theme.ink,
    });
  }
  const most = received.values.reduce((best, v, i) => (v > received.values[best]! ? i : best), 0);
  const marked = position !== undefined && position < received.values.length ? position : most;
  if (marked === position)
    drawLine(
      surface,
      [
        [x(marked + 0.5), rect.y],
        [x(marked + 0.5), rect.y + rect.height],
      ],
      { colour: theme.ink, width: 1.5 },
    );
  const label = `${marked} ${tokenWord(run.texts[marked]?.text ?? '').trim()}`;
  const left = x(marked + 0.5) + 6 + textWidth(surface, theme, label) < rect.x + rect.width;
  drawText(surface, theme, label, x(marked + 0.5) + (left ? 6 : -6), rect.y + 7, {
    align: left ? 'left' : 'right',
    colour: theme.ink,
    halo: true,
    bold: marked === position,
  });
}

const keyEnd = (drawing: { measure: SinkMeasure; most: number }): string =>
  drawing.measure === 'entropy' ? fixed(drawing.most, 1) : '1';

function drawVerticalKey(surface: Surface, theme: Theme, drawing: SinkView & { most: number }, rect: Rect): void {
  const { context } = surface;
  const y = linearScale([0, 1], [rect.y + rect.height, rect.y]);
  for (let py = 0; py < rect.height; py++) {
    context.fillStyle = theme.rampCss[255 - Math.round((py / (rect.height - 1)) * 255)]!;
    context.fillRect(rect.x, rect.y + py, rect.width, 1.5);
  }
  context.strokeStyle = theme.rule2;
  context.lineWidth = 1;
  context.strokeRect(rect.x - 0.5, rect.y - 0.5, rect.width + 1, rect.height + 1);
  const ends: (readonly [number, string])[] = [
    [0, '0'],
    [1, keyEnd(drawing)],
  ];
  if (drawing.measure !== 'entropy') {
    const at = y(drawing.threshold);
    drawLine(
      surface,
      [
        [rect.x - 3, at],
        [rect.x + rect.width + 3, at],
      ],
      { colour: theme.ink },
    );
    ends.push([drawing.threshold, 'ε']);
  }
  for (const [value, text] of ends) drawText(surface, theme, text, rect.x + rect.width + 5, y(value), { size: 10 });
}

function drawEmptyGrid(surface: Surface, theme: Theme, wide: boolean): void {
  const [columns, rows] = wide ? [30, 9] : [9, 30];
  const [width, height] = [(surface.width - 44) / columns, (surface.height - 60) / rows];
  surface.context.strokeStyle = theme.rule;
  for (let column = 0; column < columns; column++)
    for (let row = 0; row < rows; row++)
      surface.context.strokeRect(22 + column * width, 30 + row * height, width - 2, height - 2);
}
