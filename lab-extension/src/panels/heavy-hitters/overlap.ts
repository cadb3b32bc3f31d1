/** The overlap of heavy tokens between heads: one cell for each pair, dark where they hold the same. */
import type { PlotArea } from '../../draw/axes.ts';
import { paintCells } from '../../draw/cells.ts';
import { drawLock } from '../../draw/marks.ts';
import { indexTicks, percent } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import type { Run } from '../../store/run.ts';
import type { Phrase } from '../words.ts';
import { type HeavyDrawing, heavyOverlap } from './encode.ts';

/** A square of whole device pixels, layers along both sides. */
export function overlapArea(run: Run, drawing: HeavyDrawing, surface: Surface, right: number): PlotArea {
  const room = Math.min(right - 28 - 26, surface.height - 24 - 40);
  const side = (Math.max(1, Math.floor((room * surface.density) / drawing.rows)) * drawing.rows) / surface.density;
  const { layers } = run.info.model;
  const ticks = indexTicks(layers, 10);
  const axis = { ticks: ticks.map((t) => t + 0.5), labels: ticks.map(String) };
  return {
    rect: { x: 28, y: 24, width: side, height: side },
    x: { ...axis, range: [0, layers], title: 'layer and kv head' },
    y: { ...axis, range: [layers, 0] },
  };
}

export function drawOverlap(surface: Surface, theme: Theme, drawing: HeavyDrawing, rect: Rect, row: number): void {
  const { rows } = drawing;
  const words = Uint32Array.from(heavyOverlap(drawing), (share) => theme.ramp[rampIndex(share)]!);
  paintCells(surface, rect, rows, rows, words);
  surface.context.strokeStyle = theme.rule;
  surface.context.lineWidth = 1;
  surface.context.strokeRect(rect.x - 0.5, rect.y - 0.5, rect.width + 1, rect.height + 1);
  const cell = rect.width / rows;
  drawLock(surface, theme, { ...rect, y: rect.y + row * cell, height: cell }, 'row');
}

/** With whom a head shares most of its heavy tokens. */
export function aboutOverlap(run: Run, drawing: HeavyDrawing, row: number): Phrase[] {
  const { kvHeads } = run.info.model;
  const own = heavyOverlap(drawing).subarray(row * drawing.rows, (row + 1) * drawing.rows);
  const best = own.reduce(
    (most, share, other) => (other !== row && share > (most < 0 ? -1 : own[most]!) ? other : most),
    -1,
  );
  const name = (head: number) => `layer ${Math.floor(head / kvHeads)} kv head ${head % kvHeads}`;
  return [
    { text: `Of the heaviest 5 % of tokens, ${name(row)} has ` },
    { text: percent(own[best] ?? Number.NaN), strong: true },
    { text: ` in common with ${name(best)}, more than with any other head.` },
  ];
}
