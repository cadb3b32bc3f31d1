/** The marks of the eviction timeline: the map, its words and flags, and the bars of what left. */
import { hatchCells, paintCells } from '../../draw/cells.ts';
import { drawAxesToCome, drawLine, drawText, textWidth } from '../../draw/marks.ts';
import { clipped, flagWords, markToken, markTokens } from '../../draw/plot.ts';
import type { Scale } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { packed, rampIndex, rgb, type Theme } from '../../draw/theme.ts';
import { placeWords } from '../../draw/words.ts';
import { changesMade, optionWords } from '../../store/changes.ts';
import type { Run } from '../../store/run.ts';
import { lockedPositions, type Store } from '../../store/store.ts';
import { cellGone, cellHeld, type EvictionDrawing, evictionsByStep } from './encode.ts';

/** Room around the map. */
export const margin = { left: 40, right: 10, top: 46, bottom: 36 };

export function drawMap(
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
  clipped(surface, rect, () => {
    hatchCells(surface, place, columns, rows, mask, theme.goneHatch, theme.goneGround);
    paintCells(surface, place, columns, rows, words);
  });
}

/** Entries that left at each step, beside the map on its axis of steps; a drag over them holds a range. */
export function drawBars(surface: Surface, theme: Theme, run: Run, rect: Rect, y: Scale, rowBin: number): void {
  // What leaves after the prompt is many times what leaves in a step, and has its own picture: the cliff.
  const counts = evictionsByStep(run).slice(1);
  const most = Math.max(1, ...binned(counts, rowBin));
  const bottom = rect.y + rect.height;
  drawLine(
    surface,
    [
      [rect.x, rect.y],
      [rect.x, bottom],
    ],
    { colour: theme.rule2 },
  );
  drawText(surface, theme, 'evicted', rect.x - 2, rect.y - 8, { colour: theme.ink3 });
  surface.context.fillStyle = theme.slack;
  for (const [i, count] of binned(counts, rowBin).entries()) {
    if (count === 0) continue;
    const top = y(1 + i * rowBin);
    surface.context.fillRect(
      rect.x + 1,
      top,
      Math.max(1, (count / most) * (rect.width - 4)),
      Math.max(1, y(1 + (i + 1) * rowBin) - top),
    );
  }
  drawText(surface, theme, '0', rect.x, bottom + 10, { colour: theme.ink3, align: 'center' });
  drawText(surface, theme, String(most), rect.x + rect.width - 2, bottom + 10, { colour: theme.ink3, align: 'right' });
}

/** Largest of each bin. */
function binned(counts: readonly number[], bin: number): number[] {
  return Array.from({ length: Math.ceil(counts.length / bin) }, (_, i) =>
    Math.max(...counts.slice(i * bin, (i + 1) * bin)),
  );
}

export function drawAround(
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
    const words = `step ${step} of ${run.info.maxTokens}, ${run.state !== 'running' && store.clock.mode === 'live' ? run.state : store.clock.mode === 'range' ? `range from ${store.clock.from}` : store.clock.mode}`;
    if (bottom + 20 < rect.y + rect.height)
      drawText(surface, theme, words, rect.x + 4, bottom + 11, { colour: theme.ink });
  }
  drawChanges(surface, theme, run, rect, y, step);
  nameRegions(surface, theme, run, drawing, rect, { x, y }, step);

  const centre = (p: number) => x(p + 0.5);
  const inside = position !== undefined && x(position) >= rect.x - 1 && x(position + 1) <= right + 1;
  const column = { ...rect, y: rect.y - 8, height: Math.min(bottom, rect.y + rect.height) - rect.y + 8 };
  markTokens(surface, theme, column, x, lockedPositions(store));
  const flag =
    inside &&
    markToken(surface, theme, column, x, position, store.locked.position === position, {
      text: flagWords(position, run.texts[position]?.text),
      y: rect.y - 17,
      between: [rect.x, right],
    });
  const placed = placeWords(
    drawing.words,
    centre,
    (text) => textWidth(surface, theme, text),
    [rect.x, right],
    flag ? [flag] : [],
  );
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
}

/** A line under the steps of each change of the method's amounts, and what it says. */
function drawChanges(surface: Surface, theme: Theme, run: Run, rect: Rect, y: Scale, step: number): void {
  let free = rect.y;
  for (const change of changesMade(run)) {
    const at = y(change.step);
    if (change.step > step + 1 || at > rect.y + rect.height) continue;
    drawLine(
      surface,
      [
        [rect.x, at],
        [rect.x + rect.width, at],
      ],
      { colour: theme.ink, dash: [6, 3] },
    );
    if (at - 8 < free) continue;
    free = at + 8;
    drawText(surface, theme, optionWords(change.options), rect.x + 4, at - 8, { colour: theme.ink });
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

export function drawEmpty(surface: Surface, theme: Theme): void {
  const [left, right, top, bottom] = [margin.left, surface.width - margin.right, 20, surface.height - margin.bottom];
  drawAxesToCome(surface, theme, { left, right, top, bottom });
  drawLine(
    surface,
    [
      [left, top],
      [right, bottom],
    ],
    { colour: theme.rule2, dash: [3, 4] },
  );
}
