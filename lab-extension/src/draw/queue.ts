/** One queue of redraws for a page: within an animation frame it draws until the budget is spent, the rest comes later. */

export interface Drawable {
  /** Least time between two redraws that only bring newer data, in ms. */
  readonly restMs: number;
  /** True where the change is not merely newer data: it is then drawn at once. */
  urgent(): boolean;
  /** False where nobody can see it; undefined where that is not settled yet: it then waits for the next frame. */
  visible(): boolean | undefined;
  draw(): void;
  /** Called when a wanted redraw had to wait. */
  late(): void;
}

export interface DrawQueue {
  request(drawable: Drawable): void;
  /** Called after each pass that drew something. */
  onPass(listener: () => void): void;
  dispose(): void;
}

const budgetMs = 16;

/** `leastRestMs` holds for all drawables beside their own `restMs`. */
export function createDrawQueue(leastRestMs: () => number = () => 0): DrawQueue {
  const waiting = new Set<Drawable>();
  const lastDrawn = new Map<Drawable, number>();
  const listeners: (() => void)[] = [];
  let scheduled = 0;

  const pass = () => {
    scheduled = 0;
    const start = performance.now();
    const ordered = [...waiting].sort((a, b) => (lastDrawn.get(a) ?? 0) - (lastDrawn.get(b) ?? 0));
    for (const drawable of ordered) {
      const visible = drawable.visible();
      if (visible === undefined) continue;
      if (!visible) {
        waiting.delete(drawable);
        continue;
      }
      const now = performance.now();
      const rested =
        now - (lastDrawn.get(drawable) ?? Number.NEGATIVE_INFINITY) >= Math.max(drawable.restMs, leastRestMs());
      if (now - start > budgetMs || !(rested || drawable.urgent())) {
        drawable.late();
        continue;
      }
      waiting.delete(drawable);
      drawable.draw();
      lastDrawn.set(drawable, performance.now());
    }
    for (const listener of listeners) listener();
    if (waiting.size) schedule();
  };
  const schedule = () => {
    scheduled ||= requestAnimationFrame(pass);
  };

  return {
    request(drawable) {
      waiting.add(drawable);
      schedule();
    },
    onPass(listener) {
      listeners.push(listener);
    },
    dispose() {
      cancelAnimationFrame(scheduled);
      waiting.clear();
    },
  };
}
