/** Sparse reads: pages that stay against pages that flicker, and how much attention what was read holds. */
import type { PlotArea } from '../../draw/axes.ts';
import { drawLine } from '../../draw/marks.ts';
import { createPlot, markToken, markTokens } from '../../draw/plot.ts';
import type { Scale } from '../../draw/scale.ts';
import { lockedPositions, selected, shownRun, shownStep } from '../../store/store.ts';
import { followPointer, markChoice, type PanelKind, segmented } from '../panel.ts';
import { type Beside, besideArea, besides, besideWords, drawBeside, pointedBeside } from './beside.ts';
import { type RecallCurve, recallCurve } from './dense.ts';
import { describeSparse } from './describe.ts';
import { encodeSparse, readsSparsely, type SparseDrawing, shownHead } from './encode.ts';
import { drawEmpty, drawKey, drawMap, layoutMap, type Shading, shadings, shadingWords } from './map.ts';

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
    let curve: { of: SparseDrawing; curve: RecallCurve | undefined } | undefined;
    let shading: Shading = 'mass';
    let beside: Beside = 'layers';
    const shadingChoice = choiceOf('Cells', shadings, shadingWords, shading, (value) => {
      shading = value;
      redraw();
    });
    const besideChoice = choiceOf('Beside the map', besides, besideWords, beside, (value) => {
      beside = value;
      redraw();
    });
    const controls = document.createElement('span');
    controls.className = 'kvlab-choices';
    controls.append(shadingChoice.node, besideChoice.node);
    followPointer(
      host,
      (px, py) => {
        const run = shownRun(store);
        const [map, side] = areas;
        if (!run || !map || !scales[0]) return undefined;
        if (side && px > side.rect.x - 20) return pointedBeside(drawn.drawing, beside, scales[1]!, px, py);
        const position = Math.floor(scales[0].x.invert(px));
        return position >= 0 && position < run.texts.length && py < map.rect.y + map.rect.height + 4
          ? { position }
          : undefined;
      },
      store,
    );
    return {
      controls,
      keys: {
        m: { does: 'shade by attention, by worth, or not at all', press: () => shadingChoice.next() },
        r: { does: 'attention by layer, by step, or by number of pages', press: () => besideChoice.next() },
      },
      draw(theme) {
        plot.clear();
        const wide = surface.width >= 420;
        besideChoice.node.hidden = !wide;
        const run = shownRun(store);
        const step = run ? shownStep(store, run) : 0;
        const pointed = selected(store);
        if (!run || !readsSparsely(run)) {
          areas = [];
          plot.areas([], theme);
          drawEmpty(surface, theme);
          return describeSparse(run, undefined, undefined, { shading, beside });
        }
        const head = shownHead(run, pointed);
        const key = `${run.info.run} ${run.version} ${step} ${Object.values(head)}`;
        if (key !== drawn.key) drawn = { key, drawing: encodeSparse(run, step, head) };
        const drawing = drawn.drawing!;
        if (beside === 'pages' && curve?.of !== drawing) curve = { of: drawing, curve: recallCurve(drawing) };
        const recall = wide && beside === 'pages' ? curve?.curve : undefined;
        const layout = layoutMap(run, drawing, surface, wide);
        areas = wide ? [layout.area, besideArea(run, drawing, surface, layout.area, beside)] : [layout.area];
        scales = plot.areas(areas, theme);
        const shaded = shading === 'mass' && !drawing.dense ? 'worth' : shading;
        drawMap(surface, theme, drawing, layout, scales[0]!, shaded);
        drawKey(surface, theme, layout.area, shaded);
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
        markTokens(surface, theme, layout.area.rect, scales[0]!.x, lockedPositions(store));
        if (position !== undefined && position < run.texts.length)
          markToken(surface, theme, layout.area.rect, scales[0]!.x, position, store.locked.position === position);
        if (wide) drawBeside(surface, theme, drawing, recall, areas[1]!, scales[1]!, beside);
        return describeSparse(run, drawing, position, {
          shading,
          beside: wide ? beside : 'layers',
          recall,
        });
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

/** A switch that a key moves to its next choice. */
function choiceOf<T extends string>(
  label: string,
  values: readonly T[],
  words: Readonly<Record<T, string>>,
  first: T,
  choose: (value: T) => void,
): { node: HTMLElement; next(): void } {
  let current = first;
  const set = (value: T) => {
    current = value;
    markChoice(node, value);
    choose(value);
  };
  const node = segmented(
    label,
    values.map((value) => ({ value, text: words[value] })),
    first,
    set,
  );
  return { node, next: () => set(values[(values.indexOf(current) + 1) % values.length]!) };
}
