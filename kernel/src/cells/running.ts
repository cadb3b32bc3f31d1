/** The cells that run now, and which of them a piece of code belongs to. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { CellError } from './wire.ts';

export interface Run {
  run: number;
  number: number;
  allowInput: boolean;
  controller: AbortController;
  /** Called when the run is interrupted. */
  stops: Set<() => void>;
  /** True once the cell's code has taken the signal: it knows how to stop, and may need a moment to hand over what it has. */
  cooperative: boolean;
  /** How often an await was refused after the interrupt. */
  refusals: number;
  /** Value of the last expression, wrapped so that `undefined` can be told from none. */
  value?: { value: unknown };
  finished: boolean;
  /** Reports the end of the run; only the first call counts. */
  end(error?: CellError): void;
}

const store = new AsyncLocalStorage<Run>();
let newest: Run | undefined;

/** Runs `body` as code of a cell: what it starts belongs to that cell for good. */
export function within<T>(run: Run, body: () => T): T {
  newest = run;
  return store.run(run, body);
}

/** Binds a listener to the cell that registers it. */
export function bound<A extends unknown[], R>(listener: (...args: A) => R): (...args: A) => R {
  return AsyncLocalStorage.bind(listener);
}

/** The cell that caused the code which runs now; the newest one when that cannot be said. */
export function currentRun(): Run | undefined {
  return store.getStore() ?? newest;
}

/** The signal of the current cell, for code that can stop by itself. */
export function takeSignal(): AbortSignal | undefined {
  const run = currentRun();
  if (run) run.cooperative = true;
  return run?.controller.signal;
}
