/** Rasters: a matrix of colours painted in whole device pixels, and the patterns that tell states apart without colour. */
import type { Rect, Surface } from './surface.ts';

/** How many columns share one raster cell, and how wide a cell is, so that cells are whole device pixels and at least two. */
export interface CellFit {
  /** Items in one cell. */
  bin: number;
  /** Cells. */
  count: number;
  /** Device pixels of one cell. */
  pixels: number;
}

/** Fits items into a length of device pixels: the fewest items per cell that leaves at least `least` pixels for a cell. */
export function fitCells(items: number, devicePixels: number, least = 2, most = Number.POSITIVE_INFINITY): CellFit {
  const room = Math.max(least, Math.floor(devicePixels));
  let bin = Math.max(1, Math.ceil((Math.max(1, items) * least) / room));
  while (Math.ceil(items / bin) * least > room) bin += 1;
  const count = Math.max(1, Math.ceil(items / bin));
  return { bin, count, pixels: Math.max(1, Math.min(most, Math.floor(room / count))) };
}

const sheet: { canvas?: HTMLCanvasElement } = {};

/** Paints packed RGBA words, [rows, columns], into a rectangle; a zero word is transparent. */
export function paintCells(surface: Surface, rect: Rect, columns: number, rows: number, words: Uint32Array): void {
  const canvas = (sheet.canvas ??= document.createElement('canvas'));
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(
    new Uint8ClampedArray(words.buffer as ArrayBuffer, words.byteOffset, columns * rows * 4),
    columns,
    rows,
  );
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  surface.context.imageSmoothingEnabled = false;
  surface.context.drawImage(canvas, rect.x, rect.y, rect.width, rect.height);
}

/** Paints a hatch over the cells whose mask is set. */
export function hatchCells(
  surface: Surface,
  rect: Rect,
  columns: number,
  rows: number,
  mask: Uint8Array,
  colour: string,
  ground: string,
): void {
  const words = new Uint32Array(columns * rows);
  let any = false;
  for (let i = 0; i < words.length; i++)
    if (mask[i]) {
      words[i] = 0xff000000;
      any = true;
    }
  if (!any) return;
  const cover = document.createElement('canvas');
  cover.width = Math.max(1, Math.round(rect.width * surface.density));
  cover.height = Math.max(1, Math.round(rect.height * surface.density));
  const context = cover.getContext('2d')!;
  const whole = { x: 0, y: 0, width: cover.width, height: cover.height };
  paintCells(
    { canvas: cover, context, width: cover.width, height: cover.height, density: 1 },
    whole,
    columns,
    rows,
    words,
  );
  context.globalCompositeOperation = 'source-in';
  context.fillStyle = ground;
  context.fillRect(0, 0, cover.width, cover.height);
  context.globalCompositeOperation = 'source-atop';
  context.fillStyle = hatchPattern(context, colour, surface.density, 6, 1);
  context.fillRect(0, 0, cover.width, cover.height);
  surface.context.drawImage(cover, rect.x, rect.y, rect.width, rect.height);
}

/** Lines at 45 degrees; `period` and `width` in CSS pixels. */
export function hatchPattern(
  context: CanvasRenderingContext2D,
  colour: string,
  density: number,
  period: number,
  width: number,
): CanvasPattern {
  const size = Math.round(period * density);
  return tiled(context, size, (tile) => {
    tile.strokeStyle = colour;
    tile.lineWidth = width * density;
    tile.beginPath();
    for (const shift of [-size, 0, size]) {
      tile.moveTo(shift - 1, size + 1);
      tile.lineTo(shift + size + 1, -1);
    }
    tile.stroke();
  });
}

/** Dots on a grid; `period` and `size` in CSS pixels. */
export function dotPattern(context: CanvasRenderingContext2D, colour: string, density: number): CanvasPattern {
  const size = Math.round(6 * density);
  return tiled(context, size, (tile) => {
    tile.fillStyle = colour;
    tile.beginPath();
    tile.arc(size / 2, size / 2, 1.1 * density, 0, 7);
    tile.fill();
  });
}

function tiled(
  context: CanvasRenderingContext2D,
  size: number,
  paint: (tile: CanvasRenderingContext2D) => void,
): CanvasPattern {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  paint(canvas.getContext('2d')!);
  const pattern = context.createPattern(canvas, 'repeat')!;
  // Pattern pixels are device pixels whatever the transform of the context that fills.
  const { a } = context.getTransform();
  pattern.setTransform(new DOMMatrix().scale(1 / a));
  return pattern;
}
