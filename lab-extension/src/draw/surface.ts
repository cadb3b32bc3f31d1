/** A canvas that fills its host at the resolution of the screen. */

export interface Surface {
  readonly canvas: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
  /** Size in CSS pixels, and device pixels in one of them. */
  width: number;
  height: number;
  density: number;
}

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function createSurface(host: HTMLElement): Surface {
  const canvas = document.createElement('canvas');
  canvas.className = 'kvlab-canvas';
  canvas.setAttribute('aria-hidden', 'true');
  host.append(canvas);
  return { canvas, context: canvas.getContext('2d')!, width: 0, height: 0, density: 1 };
}

const finest = { density: 1, users: 0 };

/** Draws with at least this many device pixels in a CSS pixel, for pictures that are kept. */
export async function drawnFinely<T>(density: number, draw: () => Promise<T>): Promise<T> {
  finest.density = density;
  finest.users += 1;
  try {
    return await draw();
  } finally {
    finest.users -= 1;
    if (finest.users === 0) finest.density = 1;
  }
}

/** Fits the canvas to its host and clears it. */
export function clearSurface(surface: Surface): void {
  const { canvas, context } = surface;
  const host = canvas.parentElement!;
  surface.density = Math.max(window.devicePixelRatio || 1, finest.density);
  surface.width = host.clientWidth;
  surface.height = host.clientHeight;
  const width = Math.round(surface.width * surface.density);
  const height = Math.round(surface.height * surface.density);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  context.setTransform(surface.density, 0, 0, surface.density, 0, 0);
  context.clearRect(0, 0, surface.width, surface.height);
}

/** Moves a length to the nearest whole device pixel. */
export function snap(surface: Surface, length: number): number {
  return Math.round(length * surface.density) / surface.density;
}
