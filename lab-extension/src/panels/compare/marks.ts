/** How lanes are told apart without colour: dash of the line, shape of the point. The full cache is ink. */
import type { Surface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import type { CompareLane } from './encode.ts';

const dashes: readonly (readonly number[])[] = [[], [7, 3], [2, 2.5], [8, 3, 2, 3]];

export function laneColour(theme: Theme, { lane, hue }: Pick<CompareLane, 'lane' | 'hue'>): string {
  if (lane === 0) return theme.ink;
  return hue === undefined ? theme.ink3 : theme.methods[hue]!;
}

export function laneDash({ hue }: Pick<CompareLane, 'hue'>): number[] {
  return [...(dashes[hue ?? -1] ?? [])];
}

/** Disc, square, triangle, diamond; a cross beyond the fourth method. Open for a further setting. */
export function drawLaneMark(
  { context }: Surface,
  theme: Theme,
  lane: Pick<CompareLane, 'lane' | 'hue' | 'first'>,
  x: number,
  y: number,
  size = 4.5,
): void {
  const colour = laneColour(theme, lane);
  context.save();
  context.lineWidth = 1.5;
  context.strokeStyle = colour;
  context.fillStyle = lane.first ? colour : theme.paper;
  context.beginPath();
  if (lane.lane === 0) context.rect(x - size - 1, y - 1, 2 * size + 2, 2);
  else if (lane.hue === 0) context.arc(x, y, size, 0, 2 * Math.PI);
  else if (lane.hue === 1) context.rect(x - size + 0.5, y - size + 0.5, 2 * size - 1, 2 * size - 1);
  else if (lane.hue === 2)
    polygon(context, [
      [x, y - size],
      [x + size, y + size * 0.8],
      [x - size, y + size * 0.8],
    ]);
  else if (lane.hue === 3)
    polygon(context, [
      [x, y - size],
      [x + size, y],
      [x, y + size],
      [x - size, y],
    ]);
  else {
    context.moveTo(x - size + 1, y);
    context.lineTo(x + size - 1, y);
    context.moveTo(x, y - size + 1);
    context.lineTo(x, y + size - 1);
  }
  context.fill();
  context.stroke();
  context.restore();
}

function polygon(context: CanvasRenderingContext2D, [first, ...rest]: readonly (readonly [number, number])[]): void {
  context.moveTo(...(first as [number, number]));
  for (const [x, y] of rest) context.lineTo(x, y);
  context.closePath();
}
