/** Memory over time: the stack against the budget line. */
import { offerFrom } from '../../depth.ts';
import type { PlotArea } from '../../draw/axes.ts';
import { drawLine, drawText } from '../../draw/marks.ts';
import { clipped, createPlot, drawGridLines, drawRange, within } from '../../draw/plot.ts';
import { linearScale, roundAbove, roundTicks, type Scale } from '../../draw/scale.ts';
import type { Rect } from '../../draw/surface.ts';
import { shownRange, shownRun, shownStep } from '../../store/store.ts';
import { brushSteps } from '../brush.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { describeMemory } from './describe.ts';
import { encodeMemory, hasTiers, type MemoryDrawing, type MemoryView } from './encode.ts';
import { drawFlow } from './flow.ts';
import { drawIcicle, type PlacedBox } from './icicle.ts';
import { encodeMoves } from './moves.ts';
import { drawPages } from './page-map.ts';
import { pageMap } from './pages.ts';
import { encodeParts } from './parts.ts';
import { drawBands, drawClaimed, drawReferences, nameBeside } from './stack.ts';

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
    let view: MemoryView = 'held';
    let scales: { x: Scale; y: Scale } | undefined;
    const controls = segmented<MemoryView>(
      'Bytes',
      [
        { value: 'held', text: 'Held' },
        { value: 'claimed', text: 'Claimed' },
        { value: 'tiers', text: 'Tiers' },
        { value: 'parts', text: 'Parts' },
        { value: 'moves', text: 'Moves' },
      ],
      view,
      (chosen) => choose(chosen),
    );
    const choiceOf = (value: MemoryView) => controls.querySelector<HTMLButtonElement>(`[value="${value}"]`)!;
    for (const detail of ['parts', 'moves'] as const) offerFrom(choiceOf(detail), 'researcher');
    let boxes: PlacedBox[] = [];
    let pointed: readonly string[] | undefined;
    const choose = (chosen: MemoryView) => {
      view = chosen;
      redraw();
    };
    const pointAt = (box: PlacedBox | undefined) => {
      if (pointed?.join() === box?.box.path.join()) return;
      pointed = box?.box.path;
      redraw();
    };
    host.addEventListener('pointermove', (event) => {
      const at = host.getBoundingClientRect();
      if (view === 'parts')
        pointAt(boxes.find(({ rect }) => within(rect, event.clientX - at.left, event.clientY - at.top)));
    });
    host.addEventListener('pointerleave', () => pointAt(undefined));
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
          const position = map.bounds[Math.floor(((x - pages.x) / pages.width) * map.pages)] ?? 0;
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
      keys: {
        h: { does: 'held or claimed bytes', press: () => choose(view === 'held' ? 'claimed' : 'held') },
        i: { does: 'bytes by tier', press: () => choose('tiers') },
        p: { does: 'bytes by tier, zone and part at this step', press: () => choose('parts') },
        o: { does: 'what moved between tiers', press: () => choose('moves') },
      },
      draw(theme) {
        plot.clear();
        const run = shownRun(store);
        const tiered = run !== undefined && hasTiers(run);
        // Beside the title of a small panel there is no room for all; keys and the enlarged panel have them.
        choiceOf('tiers').hidden = !tiered || surface.width < 400;
        choiceOf('moves').hidden = !tiered || surface.width < 320;
        choiceOf('parts').hidden = surface.width < 250;
        if ((view === 'tiers' || view === 'moves') && !tiered) view = 'held';
        markChoice(controls, view);
        const overTime = view !== 'parts' && view !== 'moves';
        const wide = overTime && surface.width >= pagesFrom;
        const range = run ? shownRange(store, run) : ([0, 0] as const);
        const map = run && wide ? pageMap(run, range[1]) : undefined;
        const step = run ? (store.preview.step ?? shownStep(store, run)) : 0;
        const memory = run && encodeMemory(run, step, view);
        boxes = [];
        if (run && memory && !overTime) {
          stack = pages = undefined;
          plot.areas([], theme);
          const whole = { x: 8, y: 6, width: surface.width - 12, height: surface.height - 12 };
          if (view === 'moves') {
            const steps = store.clock.mode === 'range' ? range : ([0, step] as const);
            const moves = encodeMoves(run, steps);
            if (moves) drawFlow(surface, theme, moves, whole);
            return describeMemory(run, memory, view, range, { moves });
          }
          const parts = encodeParts(run, memory.row);
          if (parts) boxes = drawIcicle(surface, theme, parts, whole, pointed);
          return describeMemory(run, memory, view, range, { parts, pointed });
        }
        const said = describeMemory(run, memory, view, range, { pages: map });
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
          y: { range: [0, top / mib], ticks: roundTicks([0, top / mib], Math.max(1, Math.min(4, rect.height / 22))) },
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
          if (view !== 'claimed') drawBands(surface, theme, memory, x, y);
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
        if (named && view !== 'claimed') nameBeside(surface, theme, memory, rect, y);
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
      step(columns, rows) {
        const run = shownRun(store);
        if (!run) return undefined;
        if (view === 'parts' && rows) {
          const at = boxes.findIndex(({ box }) => box.path.join() === pointed?.join());
          pointAt(boxes[Math.max(0, Math.min(boxes.length - 1, at + rows))]);
          return undefined;
        }
        const step = (store.preview.step ?? shownStep(store, run)) + columns;
        return { step: Math.max(0, Math.min(run.step, step)) };
      },
      dispose: () => plot.dispose(),
    };
  },
};

function topOf(memory: MemoryDrawing, view: MemoryView): number {
  const most = (values: Float64Array | undefined) => values?.reduce((a, b) => Math.max(a, b || 0), 0) ?? 0;
  const wanted = view === 'claimed' ? most(memory.claimed) : most(memory.held);
  const budget = most(memory.budget);
  const peak = memory.peak && budget > 0 && memory.peak.bytes < budget * 6 ? memory.peak.bytes : 0;
  return roundAbove((Math.max(wanted, budget, peak) * 1.15) / mib) * mib;
}

/** Where the axis starts when nothing is known of the time before the prompt was read: a little before its end. */
function firstShown(prompt: number, tokens: number): number {
  return Math.max(0, Math.floor(prompt - (tokens - prompt) * 0.12));
}
