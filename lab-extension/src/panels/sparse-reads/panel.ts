/** Sparse reads: pages that stay against pages that flicker, and how much attention what was read holds. */
import type { PlotArea } from '../../draw/axes.ts';
import { fitCells, paintCells } from '../../draw/cells.ts';
import { drawLine, drawText, textWidth } from '../../draw/marks.ts';
import { createPlot, markToken } from '../../draw/plot.ts';
import { indexTicks, percent, roundTicks, type Scale } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import type { Run } from '../../store/run.ts';
import { selected, shownRun, shownStep } from '../../store/store.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { describeSparse } from './describe.ts';
import {
  cellRead,
  cellSkipped,
  encodeSparse,
  readsSparsely,
  rowCells,
  type SparseDrawing,
  shownHead,
} from './encode.ts';

const margin = { left: 40, top: 28, bottom: 36, right: 8 };

export const sparseReads: PanelKind = {
  id: 'sparse-reads',
  title: 'Sparse reads',
  restMs: 200,
  mount(host, { store, redraw }) {
    const plot = createPlot(host, redraw);
    const { surface } = plot;
    let scales: { x: Scale; y: Scale }[] = [];
    let areas: PlotArea[] = [];
    let drawn = { key: '', drawing: undefined as SparseDrawing | undefined };
    let shaded = true;
    const shade = (value: boolean) => {
      shaded = value;
      markChoice(controls, value ? 'worth' : 'mask');
      redraw();
    };
    const controls = segmented(
      'Pages',
      [
        { value: 'worth', text: 'Mask + worth' },
        { value: 'mask', text: 'Mask' },
      ],
      'worth',
      (value) => shade(value === 'worth'),
    );
    followPointer(
      host,
      (px, py) => {
        const run = shownRun(store);
        const [map, mass] = areas;
        if (!run || !map || !scales[0]) return undefined;
        if (mass && px > mass.rect.x - 20) {
          const layer = Math.floor(scales[1]!.y.invert(py));
          return layer >= 0 && layer < run.info.model.layers
            ? headAt(drawn.drawing, layer, scales[1]!.x.invert(px))
            : undefined;
        }
        const position = Math.floor(scales[0].x.invert(px));
        return position >= 0 && position < run.texts.length && py < map.rect.y + map.rect.height + 4
          ? { position }
          : undefined;
      },
      store,
    );
    return {
      controls,
      keys: { m: { does: 'mask alone, or shaded by worth', press: () => shade(!shaded) } },
      draw(theme) {
        plot.clear();
        const run = shownRun(store);
        const step = run ? shownStep(store, run) : 0;
        const pointed = selected(store);
        if (!run || !readsSparsely(run)) {
          areas = [];
          plot.areas([], theme);
          drawEmpty(surface, theme);
          return describeSparse(run, undefined, undefined, theme);
        }
        const head = shownHead(run, pointed);
        const key = `${run.info.run} ${run.version} ${step} ${Object.values(head)}`;
        if (key !== drawn.key) drawn = { key, drawing: encodeSparse(run, step, head) };
        const drawing = drawn.drawing!;
        const wide = surface.width >= 420;
        const layout = layoutMap(run, drawing, surface, wide);
        areas = wide ? [layout.area, massArea(run, surface, layout.area.rect)] : [layout.area];
        scales = plot.areas(areas, theme);
        drawMap(surface, theme, drawing, layout, scales[0]!, shaded);
        if (run.info.promptLength < run.texts.length) {
          const at = scales[0]!.x(run.info.promptLength);
          const { y, height } = layout.area.rect;
          drawLine(
            surface,
            [
              [at, y],
              [at, y + height],
            ],
            { colour: theme.ink3, dash: [1, 3] },
          );
        }
        const { position } = pointed;
        if (position !== undefined && position < run.texts.length)
          markToken(surface, theme, layout.area.rect, scales[0]!.x, position, store.locked.position === position);
        if (wide) drawMass(surface, theme, drawing, areas[1]!, scales[1]!);
        return describeSparse(run, drawing, position, theme);
      },
      step(columns, rows) {
        const run = shownRun(store);
        if (!run) return undefined;
        if (rows) {
          const head = shownHead(run, selected(store));
          return {
            layer: Math.max(0, Math.min(run.info.model.layers - 1, head.layer + rows)),
            queryHead: head.queryHead,
            kvHead: head.kvHead,
          };
        }
        const position = (selected(store).position ?? -1) + columns;
        return { position: Math.max(0, Math.min(run.texts.length - 1, position)) };
      },
      dispose: () => plot.dispose(),
    };
  },
};

interface MapLayout {
  area: PlotArea;
  columnBin: number;
  columns: number;
  rowBin: number;
  lines: number;
}

function layoutMap(run: Run, drawing: SparseDrawing, surface: Surface, wide: boolean): MapLayout {
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

function drawMap(
  surface: Surface,
  theme: Theme,
  drawing: SparseDrawing,
  { area, columnBin, columns, rowBin, lines }: MapLayout,
  { x, y }: { x: Scale; y: Scale },
  shaded: boolean,
): void {
  const words = new Uint32Array(lines * columns);
  const veil = theme.ramp[28]!;
  const always = theme.ramp[70]!;
  // A row of the map is one step; where several share a row, the last of them is drawn.
  drawing.rows.forEach((row) => {
    const line = Math.floor(row.step / rowBin);
    if (line >= lines) return;
    const cells = rowCells(row, drawing, columns * columnBin);
    const most = row.pages?.length ?? 1;
    for (let column = 0; column < columns; column++) {
      let best = 0;
      for (let position = column * columnBin; position < (column + 1) * columnBin; position++) {
        const cell = cells[position] ?? 0;
        best = cell >= cellRead && best >= cellRead ? Math.min(best, cell) : Math.max(best, cell);
      }
      words[line * columns + column] =
        best === 0
          ? 0
          : best === cellSkipped
            ? veil
            : best < cellRead
              ? always
              : theme.ramp[shaded ? Math.round(225 - (135 * (best - cellRead)) / Math.max(1, most - 1)) : 120]!;
    }
  });
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

/** Beside the map, between its top and bottom lines. */
function massArea(run: Run, surface: Surface, map: Rect): PlotArea {
  const { layers } = run.info.model;
  const left = surface.width * 0.68 + 46;
  const ticks = indexTicks(layers, 5);
  return {
    rect: { x: left, y: map.y, width: Math.max(40, surface.width - left - 18), height: map.height },
    x: {
      range: [0, 1],
      ticks: [0, 0.5, 1],
      labels: ['0 %', '50 %', '100 %'],
      title: 'dot: head, bar: layer mean',
      line: true,
    },
    y: { range: [layers, 0], ticks: ticks.map((t) => t + 0.5), labels: ticks.map(String) },
  };
}

function drawMass(
  surface: Surface,
  theme: Theme,
  drawing: SparseDrawing,
  { rect }: PlotArea,
  { x, y }: { x: Scale; y: Scale },
): void {
  const { context } = surface;
  drawText(surface, theme, 'Attention inside what is read', rect.x - 24, 6, { bold: true, colour: theme.ink });
  for (const tick of [0.5, 1])
    drawLine(
      surface,
      [
        [x(tick), rect.y],
        [x(tick), rect.y + rect.height],
      ],
      { colour: theme.rule },
    );
  if (Number.isFinite(drawing.keys)) {
    const at = x(drawing.keys);
    drawLine(
      surface,
      [
        [at, rect.y],
        [at, rect.y + rect.height],
      ],
      { colour: theme.ink, width: 1.5, dash: [6, 4] },
    );
    const words = `keys read ${percent(drawing.keys)}`;
    const half = textWidth(surface, theme, words) / 2;
    const centre = Math.max(rect.x - 20 + half, Math.min(rect.x + rect.width - half, at));
    drawText(surface, theme, words, centre, rect.y - 6, { align: 'center', colour: theme.ink });
  }
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
  if (!Number.isFinite(own)) return;
  context.fillStyle = theme.tones.recent;
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x(own), y(drawing.layer + 0.5), 5, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}

/** The head of a layer whose share is nearest to a place on the axis. */
function headAt(
  drawing: SparseDrawing | undefined,
  layer: number,
  share: number,
): { layer: number; queryHead: number } | undefined {
  const heads = drawing?.layers[layer]?.heads;
  if (!heads?.some(Number.isFinite)) return undefined;
  const queryHead = heads.reduce(
    (best, own, head) =>
      Math.abs(own - share) < Math.abs((heads[best] ?? 9) - share) || !Number.isFinite(heads[best]!) ? head : best,
    0,
  );
  return { layer, queryHead };
}

function drawEmpty(surface: Surface, theme: Theme): void {
  const [left, right, top, bottom] = [margin.left, surface.width * 0.64, 20, surface.height - margin.bottom];
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
      [left + (right - left) * 0.5, top],
      [right, bottom],
    ],
    { colour: theme.rule2, dash: [3, 4] },
  );
}
