/** Compare: which method stays nearest to the full cache, at what bytes, and what it had lost where it strayed. */
import type { Selection } from 'kvlab/frame';
import { createAxes } from '../../draw/axes.ts';
import { drawAxesToCome } from '../../draw/marks.ts';
import type { Scale } from '../../draw/scale.ts';
import { clearSurface, createSurface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import { lockOrAdd, pinStep, previewSelection, selected, shownRun, showRun } from '../../store/store.ts';
import { markChoice, type PanelKind, segmented } from '../panel.ts';
import { curveAreas, drawCurves, drawPareto } from './curves.ts';
import { type ComparePoint, type CompareView, describeCompare } from './describe.ts';
import { type CompareDrawing, encodeCompare, peaksOf, shownComparison } from './encode.ts';
import { fillFigures, fillTexts, type Sorting } from './figures.ts';
import { drawMaps, mapsLayout } from './maps.ts';

export const compare: PanelKind = {
  id: 'compare',
  title: 'Compare',
  restMs: 200,
  mount(host, { store, redraw }) {
    host.setAttribute('role', 'group');
    host.classList.add('kvlab-compare');
    const part = (name: string): HTMLElement => {
      const node = document.createElement('div');
      node.className = `kvlab-compare-${name}`;
      host.append(node);
      return node;
    };
    const [plots, figures, texts] = [part('plots'), part('figures'), part('texts')];
    const surface = createSurface(plots);
    const axes = createAxes(plots, redraw);
    let chosen: CompareView | undefined;
    let sorting: Sorting = { column: undefined, down: false };
    let focus: number | undefined;
    let hover: ComparePoint | undefined;
    let lane = 1;
    let drawing: CompareDrawing | undefined;
    let drawn = '';
    let at: ((x: number, y: number) => ComparePoint | Selection | undefined) | undefined;
    const controls = segmented(
      'Compare',
      [
        { value: 'forced', text: 'Forced' },
        { value: 'free', text: 'Free' },
        { value: 'maps', text: 'Survival' },
      ],
      'forced',
      (view) => {
        chosen = view as CompareView;
        redraw();
      },
    );

    const hold = (point: ComparePoint) => {
      lane = point.lane;
      const run = drawing?.lanes[point.lane]?.run;
      if (run !== undefined && store.runs.has(run)) showRun(store, run, true);
      pinStep(store, point.row);
    };
    const choose = (index: number) => {
      focus = focus === index || index === 0 ? undefined : index;
      const run = drawing?.lanes[index]?.run;
      if (run !== undefined && store.runs.has(run)) showRun(store, run, true);
      redraw();
    };
    const isPoint = (found: ComparePoint | Selection): found is ComparePoint => 'row' in found;
    followPlots(plots, (x, y, click) => {
      const found = at?.(x, y);
      const wasOver = hover;
      hover = found && isPoint(found) ? found : undefined;
      if (found && !isPoint(found)) click ? lockOrAdd(store, found, click) : previewSelection(store, found);
      else if (click && hover) hold(hover);
      else if (!found) previewSelection(store, {});
      if (hover?.row !== wasOver?.row || hover?.lane !== wasOver?.lane) redraw();
    });

    const pointNow = (): ComparePoint | undefined => {
      if (!drawing?.judged) return undefined;
      if (hover) return hover;
      if (store.clock.mode !== 'pinned') return undefined;
      const { laneOf } = shownRun(store)?.info ?? {};
      const own = laneOf?.comparison === drawing.comparison.info.run ? laneOf.lane : lane;
      return { lane: Math.min(own, drawing.lanes.length - 1), row: Math.min(store.clock.step, drawing.judged - 1) };
    };
    const toPeak = (direction: 1 | -1) => {
      if (!drawing?.judged) return;
      const from = pointNow();
      const own = drawing.lanes[from?.lane ?? focus ?? drawing.peak?.lane ?? 1];
      const rows = own ? peaksOf(own) : [];
      const next =
        direction > 0
          ? rows.find((row) => row > (from?.row ?? -1))
          : rows.findLast((row) => row < (from?.row ?? Infinity));
      hover = undefined;
      if (own && next !== undefined) hold({ lane: own.lane, row: next });
    };
    const methodKey = (index: number) => ({ does: `bring method ${index} to the front`, press: () => choose(index) });

    return {
      controls,
      keys: {
        1: methodKey(1),
        2: methodKey(2),
        3: methodKey(3),
        4: methodKey(4),
        n: { does: 'next peak of KL', press: () => toPeak(1) },
        p: { does: 'peak of KL before', press: () => toPeak(-1) },
      },
      draw(theme) {
        const comparison = shownComparison(store);
        const version = comparison ? `${comparison.info.run} ${comparison.version}` : '';
        if (version !== drawn) {
          drawn = version;
          drawing = comparison && encodeCompare(comparison);
        }
        const view: CompareView = chosen ?? (drawing?.info.mode === 'free' ? 'free' : 'forced');
        markChoice(controls, view);
        const point = pointNow();
        const said = describeCompare(drawing, view, point);
        const empty = said.missing !== undefined || !drawing;
        const rows = drawing?.lanes.length ?? 0;
        const writers = drawing?.lanes.filter((own) => own.free && own.first).length ?? 0;
        const left = host.clientHeight - leastPlots - (rows + 1) * 19;
        plots.hidden = view === 'free' || empty;
        figures.hidden = view !== 'forced' || empty;
        figures.style.maxHeight = `${Math.max(60, host.clientHeight - leastPlots)}px`;
        texts.hidden = !writers || empty || !(view === 'free' || (view === 'forced' && left > (writers + 1) * 17 + 12));
        host.classList.toggle('kvlab-free-view', view === 'free');
        if (!drawing || empty) {
          if (!drawing) drawEmpty(plots, surface, theme);
          axes.set([], surface, theme);
          at = undefined;
          return said;
        }
        if (!figures.hidden)
          fillFigures(figures, theme, drawing, sorting, focus, {
            sort(column) {
              sorting = { column, down: sorting.column === column && !sorting.down };
              redraw();
            },
            choose,
          });
        if (!texts.hidden) fillTexts(texts, theme, drawing, view === 'free');
        clearSurface(surface);
        if (view === 'forced') {
          const areas = curveAreas(drawing, surface);
          axes.set(areas.pareto ? [areas.kl, areas.pareto] : [areas.kl], surface, theme);
          const scales = drawCurves(surface, theme, drawing, areas.kl, axes.zoomed(0), focus, point);
          if (areas.pareto) drawPareto(surface, theme, drawing, areas.pareto, focus);
          at = (x, y) => nearestPoint(drawing!, areas.kl.rect, scales, x, y, focus);
        } else if (view === 'maps') {
          const layout = mapsLayout(drawing, surface);
          axes.set(layout.areas, surface, theme);
          const { position } = selected(store);
          drawMaps(
            surface,
            theme,
            drawing,
            layout,
            { position, locked: position !== undefined && store.locked.position === position },
            point,
          );
          const tokens = drawing.comparison.info.promptLength + drawing.comparison.step;
          at = (x) => {
            const position = Math.floor(layout.x.invert(x));
            return position >= 0 && position < tokens ? { position } : undefined;
          };
        } else {
          axes.set([], surface, theme);
          at = undefined;
        }
        return said;
      },
      step(columns, rows) {
        if (!drawing?.judged) return undefined;
        const now = pointNow() ?? { lane: focus ?? 1, row: -1 };
        hover = undefined;
        hold({
          lane: Math.max(1, Math.min(drawing.lanes.length - 1, now.lane + rows)),
          row: Math.max(0, Math.min(drawing.judged - 1, now.row + columns)),
        });
        return undefined;
      },
      dispose: () => axes.dispose(),
    };
  },
};

/** Pixels that the plots get before texts are shown and the table scrolls. */
const leastPlots = 140;

/** Reports where the pointer is on the plots, and clicks that are not drags; undefined coordinates mean that it left. */
function followPlots(node: HTMLElement, report: (x: number, y: number, click?: PointerEvent) => void): void {
  let down: { x: number; y: number } | undefined;
  const where = (event: PointerEvent): [number, number] => {
    const box = node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  node.addEventListener('pointermove', (event) => {
    if (!down) report(...where(event));
  });
  node.addEventListener('pointerleave', () => report(Number.NaN, Number.NaN));
  node.addEventListener('pointerdown', (event) => {
    down = { x: event.clientX, y: event.clientY };
    const up = (end: PointerEvent) => {
      const moved = Math.hypot(end.clientX - down!.x, end.clientY - down!.y);
      down = undefined;
      if (moved < 4) report(...where(end), end);
    };
    window.addEventListener('pointerup', up, { once: true });
  });
}

/** The judged token and the method whose line is nearest to a point of the plot. */
function nearestPoint(
  { lanes, judged }: CompareDrawing,
  rect: { x: number; y: number; width: number; height: number },
  { x, y }: { x: Scale; y: Scale },
  px: number,
  py: number,
  focus: number | undefined,
): ComparePoint | undefined {
  if (!(px >= rect.x - 6 && px <= rect.x + rect.width + 6 && py >= rect.y - 10 && py <= rect.y + rect.height + 4))
    return undefined;
  const row = Math.max(0, Math.min(judged - 1, Math.round(x.invert(px))));
  const distance = (lane: (typeof lanes)[number]) =>
    Math.min(Math.abs(y(lane.smooth[row]!) - py), Math.abs(Math.max(rect.y, y(lane.kl[row]!)) - py));
  const lines = lanes.filter((lane) => lane.lane > 0 && lane.first && lane.hue !== undefined);
  const near = lines.find(({ lane }) => lane === focus) ?? lines.sort((a, b) => distance(a) - distance(b))[0];
  return near && { lane: near.lane, row };
}

/** Axes of the drawing to come, faint. */
function drawEmpty(plots: HTMLElement, surface: ReturnType<typeof createSurface>, theme: Theme): void {
  plots.hidden = false;
  clearSurface(surface);
  const { width, height } = surface;
  for (const [left, right] of [
    [32, width * 0.5],
    [width * 0.62, width - 12],
  ] as const)
    drawAxesToCome(surface, theme, { left, right, top: 14, bottom: height - 16 });
}
