/** Eviction timeline: the diagonal band, the cliff under the prompt, and the lines that survive. */
import type { PlotArea } from '../../draw/axes.ts';
import { fitCells } from '../../draw/cells.ts';
import { createPlot, drawRange } from '../../draw/plot.ts';
import { roundTicks, type Scale } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { type Run, seenAtStep } from '../../store/run.ts';
import { pinStep, pointedTokens, type Store, selected, shownRange, shownRun, shownStep } from '../../store/store.ts';
import { translate } from '../../translate.ts';
import { brushSteps } from '../brush.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { showCard } from './card.ts';
import { describeEviction } from './describe.ts';
import { encodeEviction, evictionsByStep, type HeadChoice, lifetimeOf, type MapFit, nextEviction } from './encode.ts';
import { drawAround, drawBars, drawEmpty, drawMap, margin } from './map.ts';
import { whyOf } from './why.ts';

/** Width of the bars of evictions at the right, in panels that have room for them. */
const barsWidth = 44;

export const evictionTimeline: PanelKind = {
  id: 'eviction-timeline',
  title: 'Eviction timeline',
  restMs: 90,
  mount(host, { store, redraw, openFile }) {
    const plot = createPlot(host, redraw);
    const { surface, axes } = plot;
    const card = document.createElement('div');
    card.className = 'kvlab-card';
    card.hidden = true;
    host.append(card);
    let chosen: 'all' | 'one' | undefined;
    let view: 'all' | 'one' = 'all';
    let scales: { x: Scale; y: Scale } | undefined;
    let bars: Rect | undefined;
    const go = (direction: 1 | -1) => {
      const run = shownRun(store);
      const step = run && nextEviction(run, shownStep(store, run), direction);
      if (step !== undefined) pinStep(store, step);
    };
    const controls = segmented(
      'Heads',
      [
        { value: 'one', text: 'One head' },
        { value: 'all', text: 'All' },
      ],
      'all',
      (value) => {
        chosen = value;
        redraw();
      },
    );
    brushSteps(
      host,
      (x, y) => {
        const run = shownRun(store);
        if (!run || !scales || !bars || x < bars.x - 4 || y < bars.y - 8 || y > bars.y + bars.height + 8)
          return undefined;
        return Math.max(0, Math.min(run.step, Math.floor(scales.y.invert(y))));
      },
      store,
    );
    followPointer(
      host,
      (x, y) => {
        if (bars && x >= bars.x - 4) return undefined;
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
      keys: {
        n: { does: 'next step at which something left', press: () => go(1) },
        p: { does: 'step before at which something left', press: () => go(-1) },
        h: {
          does: 'one head or all',
          press: () => {
            chosen = view === 'one' ? 'all' : 'one';
            redraw();
          },
        },
      },
      draw(theme) {
        plot.clear();
        const run = shownRun(store);
        if (!run) {
          drawEmpty(surface, theme);
          plot.areas([], theme);
          bars = undefined;
          showCard(card, undefined, undefined, 'right', undefined, undefined);
          return describeEviction(undefined, [0, 0], undefined, undefined, [], theme);
        }
        const range = shownRange(store, run);
        const step = range[1];
        const { area, fit } = layoutMap(run, surface, axes.zoomed(0).x);
        scales = plot.areas([area], theme)[0]!;
        bars = fit.bars ? { ...area.rect, x: area.rect.x + area.rect.width + 14, width: barsWidth - 14 } : undefined;
        // Where nothing leaves, the map of all heads is one dark plane: zones of one head say more.
        view = chosen ?? (run.info.method.quantizes ? 'one' : 'all');
        markChoice(controls, view);
        const head = view === 'one' ? headOf(store, run) : undefined;
        const drawing = encodeEviction(run, step, head, fit);
        const { position } = selected(store);
        drawMap(surface, theme, drawing, area.rect, scales, head !== undefined);
        drawAround(surface, theme, run, drawing, area.rect, scales, store, step, position, head !== undefined);
        if (bars) drawBars(surface, theme, run, bars, scales.y, fit.rowBin);
        if (store.clock.mode === 'range') {
          const whole = bars ? { ...area.rect, width: bars.x + bars.width - area.rect.x } : area.rect;
          drawRange(surface, theme, whole, 'y', scales.y(range[0]), scales.y(step + 1));
        }
        const lifetime = position === undefined ? undefined : lifetimeOf(run, position, step);
        const side = position !== undefined && scales.x(position) > surface.width - 230 ? 'left' : 'right';
        const one = headOf(store, run);
        const locked = position !== undefined && store.locked.position === position;
        const why = locked ? whyOf(run, step, one.layer, one.kvHead, position) : undefined;
        showCard(card, surface.width > 300 ? run : undefined, lifetime, side, why, openFile);
        return describeEviction(run, range, drawing, head, pointedTokens(store), theme);
      },
      step(columns, rows) {
        const run = shownRun(store);
        if (!run) return undefined;
        const seen = seenAtStep(run, shownStep(store, run));
        const position = (selected(store).position ?? -1) + columns + rows * 16;
        return { position: Math.max(0, Math.min(seen - 1, position)) };
      },
      dispose: () => plot.dispose(),
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
): { area: PlotArea; fit: MapFit & { bars: boolean } } {
  const ended = run.state !== 'running' && run.state !== 'paused';
  const steps = Math.max(1, ended ? run.step : Math.max(run.info.maxTokens, run.step));
  const positions = run.info.promptLength + steps;
  const room = {
    width: Math.max(20, surface.width - margin.left - margin.right),
    height: Math.max(20, surface.height - margin.top - margin.bottom),
  };
  const without = fitCells(positions, room.width * surface.density);
  const beside = fitCells(positions, (room.width - barsWidth) * surface.density);
  // The bars stand beside the map where they cost it no detail.
  const bars = room.width > 300 && beside.bin === without.bin && evictionsByStep(run).length > 1;
  const columns = bars ? beside : without;
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
  return { area, fit: { from, positions: count, steps, columnBin: bin, rowBin: rows.bin, bars } };
}

/** Says how many tokens and steps share a cell, where they do. */
function axisTitle(columnBin: number, rowBin: number): string {
  const bins = [
    columnBin > 1 ? translate('%1 tokens a column', columnBin) : '',
    rowBin > 1 ? translate('%1 steps a row', rowBin) : '',
  ].filter(Boolean);
  return [translate('token position'), ...bins].join(', ');
}
