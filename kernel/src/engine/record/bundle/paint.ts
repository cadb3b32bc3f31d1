/** A picture in memory: opaque pixels, rectangles, hatches, lines with soft edges, and labels. All lengths are pixels. */
import { capHeight, glyphOf, spacing, widthOf } from './strokes.ts';

export type Colour = readonly [red: number, green: number, blue: number];

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue of each pixel, row by row. */
  readonly pixels: Uint8Array;
}

export interface Label {
  colour: Colour;
  /** Height of capitals. */
  size: number;
  align?: 'left' | 'middle' | 'right';
  bold?: boolean;
}

/** A picture of one colour. */
export function blank(width: number, height: number, ground: Colour): Picture {
  const picture = { width, height, pixels: new Uint8Array(width * height * 3) };
  fill(picture, 0, 0, width, height, ground);
  return picture;
}

/** Fills a rectangle, cut at the edges of the picture. */
export function fill(picture: Picture, x: number, y: number, width: number, height: number, colour: Colour): void {
  const [left, right] = [Math.max(0, Math.round(x)), Math.min(picture.width, Math.round(x + width))];
  const [top, bottom] = [Math.max(0, Math.round(y)), Math.min(picture.height, Math.round(y + height))];
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++) picture.pixels.set(colour, (row * picture.width + column) * 3);
}

/** Fills a rectangle with diagonal lines that go on across neighbours. */
export function hatch(
  picture: Picture,
  [x, y, width, height]: readonly [number, number, number, number],
  ground: Colour,
  line: Colour,
  period: number,
): void {
  const [left, right] = [Math.max(0, Math.round(x)), Math.min(picture.width, Math.round(x + width))];
  const [top, bottom] = [Math.max(0, Math.round(y)), Math.min(picture.height, Math.round(y + height))];
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++)
      dot(picture, column, row, (row + column) % period < 2 ? line : ground);
}

/** Dots or dashes: a straight horizontal or vertical line that is drawn for `on` pixels and skipped for `off`. */
export function dashes(
  picture: Picture,
  [x, y, length]: readonly [number, number, number],
  direction: 'across' | 'down',
  [on, off]: readonly [number, number],
  colour: Colour,
  thickness = 2,
): void {
  for (let at = 0; at < length; at += on + off) {
    const part = Math.min(on, length - at);
    if (direction === 'across') fill(picture, x + at, y, part, thickness, colour);
    else fill(picture, x, y + at, thickness, part, colour);
  }
}

/** Draws a line with round ends through points. */
export function line(
  picture: Picture,
  points: readonly (readonly [number, number])[],
  colour: Colour,
  thickness: number,
): void {
  const ink = new Map<number, number>();
  for (let i = 1; i < points.length; i++) segment(picture, ink, points[i - 1]!, points[i]!, thickness / 2);
  for (const [pixel, cover] of ink) blend(picture, pixel, colour, cover);
}

/** Writes one line of text with its baseline at `y`. Returns its width. */
export function write(picture: Picture, text: string, x: number, y: number, label: Label): number {
  const unit = label.size / capHeight;
  const width = widthOf(text) * unit;
  const shift = label.align === 'right' ? width : label.align === 'middle' ? width / 2 : 0;
  let pen = x - shift;
  const radius = label.size * (label.bold ? 0.085 : 0.058);
  for (const letter of text) {
    const glyph = glyphOf(letter);
    const ink = new Map<number, number>();
    for (const stroke of glyph.strokes)
      for (let i = 0; i + 3 < stroke.length; i += 2)
        segment(
          picture,
          ink,
          [pen + stroke[i]! * unit, y + (stroke[i + 1]! - capHeight) * unit],
          [pen + stroke[i + 2]! * unit, y + (stroke[i + 3]! - capHeight) * unit],
          radius,
        );
    for (const [pixel, cover] of ink) blend(picture, pixel, label.colour, cover);
    pen += (glyph.width + spacing) * unit;
  }
  return width;
}

/** Width of a text at a height of capitals. */
export function textWidth(text: string, size: number): number {
  return (widthOf(text) * size) / capHeight;
}

/** Collects how much of each pixel a line with round ends covers; strokes of one letter do not add up where they cross. */
function segment(
  picture: Picture,
  ink: Map<number, number>,
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
  radius: number,
): void {
  const reach = radius + 1;
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - reach));
  const right = Math.min(picture.width - 1, Math.ceil(Math.max(x0, x1) + reach));
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach));
  const bottom = Math.min(picture.height - 1, Math.ceil(Math.max(y0, y1) + reach));
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy;
  for (let row = top; row <= bottom; row++)
    for (let column = left; column <= right; column++) {
      const [px, py] = [column + 0.5 - x0, row + 0.5 - y0];
      const along = square === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / square));
      const cover = Math.min(1, radius + 0.5 - Math.hypot(px - along * dx, py - along * dy));
      const pixel = row * picture.width + column;
      if (cover > (ink.get(pixel) ?? 0)) ink.set(pixel, cover);
    }
}

function dot(picture: Picture, column: number, row: number, colour: Colour): void {
  const at = (row * picture.width + column) * 3;
  picture.pixels[at] = colour[0];
  picture.pixels[at + 1] = colour[1];
  picture.pixels[at + 2] = colour[2];
}

function blend(picture: Picture, pixel: number, colour: Colour, cover: number): void {
  for (let c = 0; c < 3; c++) {
    const old = picture.pixels[pixel * 3 + c]!;
    picture.pixels[pixel * 3 + c] = Math.round(old + (colour[c]! - old) * cover);
  }
}
