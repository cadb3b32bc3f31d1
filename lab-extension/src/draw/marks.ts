/** Lines, texts and selection marks on a canvas. */
import type { Rect, Surface } from './surface.ts';
import type { Theme } from './theme.ts';

export interface TextStyle {
  size?: 10 | 11 | 12 | 13;
  bold?: boolean;
  colour?: string;
  align?: CanvasTextAlign;
  /** Paper around the letters, so that they can be read on marks. */
  halo?: boolean;
}

/** Writes one line of text with its middle at y. */
export function drawText(
  surface: Surface,
  theme: Theme,
  text: string,
  x: number,
  y: number,
  style: TextStyle = {},
): void {
  const { context } = surface;
  context.font = fontOf(theme, style);
  context.textAlign = style.align ?? 'left';
  context.textBaseline = 'middle';
  if (style.halo) {
    context.lineWidth = 3;
    context.lineJoin = 'round';
    context.strokeStyle = theme.paper;
    context.strokeText(text, x, y);
  }
  context.fillStyle = style.colour ?? theme.ink2;
  context.fillText(text, x, y);
}

export function textWidth(surface: Surface, theme: Theme, text: string, style: TextStyle = {}): number {
  surface.context.font = fontOf(theme, style);
  return surface.context.measureText(text).width;
}

export interface LineStyle {
  colour: string;
  width?: number;
  dash?: number[];
  opacity?: number;
}

/** A line through points; a point that is not a number breaks it. */
export function drawLine(surface: Surface, points: readonly (readonly [number, number])[], style: LineStyle): void {
  const { context } = surface;
  context.save();
  context.strokeStyle = style.colour;
  context.lineWidth = style.width ?? 1;
  context.globalAlpha = style.opacity ?? 1;
  context.lineJoin = 'round';
  context.setLineDash(style.dash ?? []);
  context.beginPath();
  let drawing = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) drawing = false;
    else if (drawing) context.lineTo(x, y);
    else {
      context.moveTo(x, y);
      drawing = true;
    }
  }
  context.stroke();
  context.restore();
}

/** Axes of a drawing to come, faint. */
export function drawAxesToCome(
  surface: Surface,
  theme: Theme,
  { left, right, top, bottom }: Readonly<Record<'left' | 'right' | 'top' | 'bottom', number>>,
): void {
  drawLine(
    surface,
    [
      [left, top],
      [left, bottom],
      [right, bottom],
    ],
    { colour: theme.rule2 },
  );
}

/** A smoothed series: two pixels on a halo of paper. */
export function drawSeries(
  surface: Surface,
  theme: Theme,
  points: readonly (readonly [number, number])[],
  colour: string,
  dash: number[] = [],
): void {
  drawLine(surface, points, { colour: theme.paper, width: 4 });
  drawLine(surface, points, { colour, width: 2, dash });
}

/** Two thin lines of ink on a halo of paper along a row or column: the lock. */
export function drawLock(surface: Surface, theme: Theme, rect: Rect, along: 'row' | 'column'): void {
  const [x0, y0, x1, y1] = [rect.x, rect.y, rect.x + rect.width, rect.y + rect.height];
  const lines: [number, number][][] =
    along === 'column'
      ? [
          [
            [x0 - 1, y0],
            [x0 - 1, y1],
          ],
          [
            [x1 + 1, y0],
            [x1 + 1, y1],
          ],
        ]
      : [
          [
            [x0, y0 - 1],
            [x1, y0 - 1],
          ],
          [
            [x0, y1 + 1],
            [x1, y1 + 1],
          ],
        ];
  for (const line of lines) drawLine(surface, line, { colour: theme.paper, width: 3 });
  for (const line of lines) drawLine(surface, line, { colour: theme.ink, width: 1 });
}

/** A frame around a cell: 2 px of ink on 4 px of paper when locked, 1 px of ink when hovered. */
export function drawBox(surface: Surface, theme: Theme, rect: Rect, locked: boolean): void {
  const { context } = surface;
  const outline = (grow: number, width: number, colour: string) => {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(rect.x - grow, rect.y - grow, rect.width + 2 * grow, rect.height + 2 * grow);
  };
  if (locked) outline(1, 4, theme.paper);
  outline(1, locked ? 2 : 1, theme.ink);
}

/** A black flag with the selected token, kept inside [left, right]. Returns where it lies. */
export function drawFlag(
  surface: Surface,
  theme: Theme,
  text: string,
  x: number,
  y: number,
  [left, right]: readonly [number, number],
): { centre: number; width: number } {
  const { context } = surface;
  const width = textWidth(surface, theme, text, { size: 11, bold: true }) + 12;
  const centre = Math.max(left + width / 2, Math.min(right - width / 2, x));
  context.fillStyle = theme.ink;
  context.beginPath();
  context.roundRect(centre - width / 2, y - 8, width, 16, 2);
  context.fill();
  drawText(surface, theme, text, centre, y + 0.5, { size: 11, bold: true, colour: theme.paper, align: 'center' });
  return { centre, width };
}

/** The ramp as a small key with both ends printed. */
export function drawRampKey(
  surface: Surface,
  theme: Theme,
  x: number,
  y: number,
  low: string,
  high: string,
  width = 90,
): number {
  const { context } = surface;
  drawText(surface, theme, low, x, y, { size: 10 });
  const start = x + textWidth(surface, theme, low, { size: 10 }) + 6;
  for (let i = 0; i < width; i++) {
    context.fillStyle = theme.rampCss[Math.round((i / (width - 1)) * 255)]!;
    context.fillRect(start + i, y - 3, 1.5, 6);
  }
  context.strokeStyle = theme.rule2;
  context.lineWidth = 1;
  context.strokeRect(start - 0.5, y - 3.5, width + 1, 7);
  drawText(surface, theme, high, start + width + 6, y, { size: 10 });
  return start + width + 6 + textWidth(surface, theme, high, { size: 10 });
}

function fontOf(theme: Theme, { size = 11, bold }: TextStyle): string {
  return `${bold ? '600 ' : ''}${size}px ${theme.font}`;
}
