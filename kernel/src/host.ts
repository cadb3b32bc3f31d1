/** What the Jupyter side offers to the library while a cell runs. Outside Jupyter there is no host, and nothing is shown. */
import type { Depth, Frame, PanelMessage, Selection } from './engine/record/frame.ts';

export type MimeBundle = Record<string, string | object>;

export interface Host {
  /** Hands a frame to the protocol process, which merges and sends it. Never waits for a browser. */
  publish(frame: Frame): void;
  /** Shows a value in the cell that runs now. With `id`, later calls with `update: true` replace it. */
  display(bundle: MimeBundle, options?: { id?: string; update?: boolean; metadata?: Record<string, unknown> }): void;
  /** Calls the listener for each message of a panel. Returns the function that stops it. */
  onPanel(listener: (message: PanelMessage) => void): () => void;
  /** Asks the page to open the lab, or one panel of it, with the controls of a depth. */
  show(panel?: string, depth?: Depth): void;
  /** Moves the selection of all panels. */
  point(selection: Selection, panel?: string): void;
  /** Aborted when the running cell is interrupted. */
  signal(): AbortSignal | undefined;
}

const key = Symbol.for('kvlab.host');

/** The host of this process, if a kernel runs it. A symbol on the global object, so that two copies of the package agree. */
export function host(): Host | undefined {
  return (globalThis as Record<symbol, unknown>)[key] as Host | undefined;
}

export function setHost(value: Host | undefined): void {
  (globalThis as Record<symbol, unknown>)[key] = value;
}

/** Aborted when the running cell is interrupted, and when the caller's own signal is. */
export function interruption(own?: AbortSignal): AbortSignal | undefined {
  const signals = [own, host()?.signal()].filter((signal) => signal !== undefined);
  return signals.length > 1 ? AbortSignal.any(signals) : signals[0];
}
