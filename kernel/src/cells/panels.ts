/** The library's way to the panels: frames out, what people point at and press in. */
import type { PanelMessage } from '../engine/record/frame.ts';
import { setHost } from '../host.ts';
import { showBundle } from './display.ts';
import { bound, currentRun, takeSignal } from './running.ts';
import { writeMessage } from './wire.ts';

const listeners = new Set<(message: PanelMessage) => void>();

/** Offers the kernel to the library. */
export function installHost(): void {
  setHost({
    publish: ({ header, buffer }) => writeMessage({ type: 'frame', header, buffer }),
    display: (bundle, options) => showBundle(bundle, options),
    onPanel(listener) {
      const own = bound(listener);
      listeners.add(own);
      return () => listeners.delete(own);
    },
    show: (panel, depth) => writeMessage({ type: 'show', panel, depth, run: currentRun()?.run }),
    point: (selection, panel) => writeMessage({ type: 'point', selection, panel }),
    signal: takeSignal,
  });
}

/** Hands a message of a panel to the library. */
export function receivePanel(message: PanelMessage): void {
  for (const listener of listeners) listener(message);
}
