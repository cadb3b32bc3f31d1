/** Dragging along a band of steps holds the range between; a click there pins one step. */
import { holdRange, pinStep, type Store } from '../store/store.ts';

/** `stepAt` gives the step under a point of the band, and undefined outside of it. */
export function brushSteps(
  host: HTMLElement,
  stepAt: (x: number, y: number) => number | undefined,
  store: Store,
): void {
  const stepOf = (event: PointerEvent, from?: { x: number; y: number }) => {
    const box = host.getBoundingClientRect();
    return stepAt(from?.x ?? event.clientX - box.left, from?.y ?? event.clientY - box.top);
  };
  host.addEventListener('pointerdown', (event) => {
    const start = stepOf(event);
    if (start === undefined) return;
    event.stopPropagation();
    event.preventDefault();
    const move = (moved: PointerEvent) => {
      const now = stepOf(moved);
      if (now !== undefined && Math.round(now) !== Math.round(start)) holdRange(store, start, now);
    };
    const up = (end: PointerEvent) => {
      window.removeEventListener('pointermove', move);
      if (Math.hypot(end.clientX - event.clientX, end.clientY - event.clientY) < 4) pinStep(store, start);
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', up, { once: true });
  });
}
