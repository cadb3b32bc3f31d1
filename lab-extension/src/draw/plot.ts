/** A canvas with axes over it: what every panel that is not plain text draws on. */
import { type Axes, areaScales, createAxes, type PlotArea } from './axes.ts';
import { drawFlag, drawLine, drawLock } from './marks.ts';
import type { Scale } from './scale.ts';
import { clearSurface, createSurface, type Rect, type Surface } from './surface.ts';
import type { Theme } from './theme.ts';
import { tokenWord } from './words.ts';

export interface Plot {
  readonly surface: Surface;
  readonly axes: Axes;
  /** Fits the canvas to its host and clears it. */
  clear(): void;
  /** Sets the areas that have axes and gives their scales; none hides the axes. */
  areas(areas: readonly PlotArea[], theme: Theme): { x: Scale; y: Scale }[];
  dispose(): void;
}

export function createPlot(host: HTMLElement, redraw: () => void): Plot {
  const surface = createSurface(host);
  const axes = createAxes(host, redraw);
  return {
    surface,
    axes,
    clear: () => clearSurface(surface),
    areas(areas, theme) {
      axes.set(areas, surface, theme);
      return areas.map((area, i) => areaScales(area, axes.zoomed(i)));
    },
    dispose: () => axes.dispose(),
  };
}

/** True where a point lies in a rectangle. */
export function within({ x, y, width, height }: Rect, px: number, py: number): boolean {
  return px >= x && px < x + width && py >= y && py < y + height;
}

/** Paints with everything outside of a rectangle cut off. */
export function clipped({ context }: Surface, { x, y, width, height }: Rect, paint: () => void): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  paint();
  context.restore();
}

/** Thin lines across an area at the ticks of one of its axes. */
export function drawGridLines(
  surface: Surface,
  theme: Theme,
  { rect, x, y }: PlotArea,
  scales: { x: Scale; y: Scale },
  axis: 'x' | 'y' = 'y',
): void {
  const [right, bottom] = [rect.x + rect.width, rect.y + rect.height];
  for (const tick of axis === 'y' ? y.ticks : x.ticks) {
    const at = scales[axis](tick);
    const ends =
      axis === 'y'
        ? ([
            [rect.x, at],
            [right, at],
          ] as const)
        : ([
            [at, rect.y],
            [at, bottom],
          ] as const);
    drawLine(surface, ends, { colour: theme.rule });
  }
}

/** How a token is named on a flag: position and word. */
export function flagWords(position: number, text: string | undefined): string {
  return `${position} ${tokenWord(text ?? '').trim()}`;
}

/** Marks a token's column: two lines when it is locked, one when it is pointed at, and its flag where one is wanted. */
export function markToken(
  surface: Surface,
  theme: Theme,
  rect: Rect,
  x: Scale,
  position: number,
  locked: boolean,
  flag?: { text: string; y: number; between: readonly [number, number] },
): { centre: number; width: number } | undefined {
  const centre = x(position + 0.5);
  if (locked)
    drawLock(surface, theme, { ...rect, x: x(position), width: Math.max(2, x(position + 1) - x(position)) }, 'column');
  else
    drawLine(
      surface,
      [
        [centre, rect.y],
        [centre, rect.y + rect.height],
      ],
      { colour: theme.ink },
    );
  return flag && drawFlag(surface, theme, flag.text, centre, flag.y, flag.between);
}

/** Marks the columns of several tokens, those that stand side by side as one. */
export function markTokens(surface: Surface, theme: Theme, rect: Rect, x: Scale, positions: readonly number[]): void {
  if (positions.length < 2) return;
  for (let i = 0; i < positions.length; i++) {
    const first = positions[i]!;
    while (positions[i + 1] === positions[i]! + 1) i++;
    const width = Math.max(2, x(positions[i]! + 1) - x(first));
    clipped(surface, rect, () => drawLock(surface, theme, { ...rect, x: x(first), width }, 'column'));
  }
}

/** A range of steps along one axis: two lines of ink and a wash between them. */
export function drawRange(
  surface: Surface,
  theme: Theme,
  rect: Rect,
  along: 'x' | 'y',
  from: number,
  to: number,
): void {
  const { context } = surface;
  const [low, high] = from < to ? [from, to] : [to, from];
  const box = along === 'x' ? { ...rect, x: low, width: high - low } : { ...rect, y: low, height: high - low };
  context.save();
  context.globalAlpha = 0.06;
  context.fillStyle = theme.ink;
  context.fillRect(box.x, box.y, box.width, box.height);
  context.restore();
  for (const at of [low, high]) {
    const line =
      along === 'x'
        ? ([
            [at, rect.y],
            [at, rect.y + rect.height],
          ] as const)
        : ([
            [rect.x, at],
            [rect.x + rect.width, at],
          ] as const);
    drawLine(surface, line, { colour: theme.ink });
  }
}
