/** What every cell has without importing it. */
import { currentRun, takeSignal } from './running.ts';

export { type Comm, type CommExtras, type CommMessage, comms } from './comms.ts';
export { clearOutput, type Display, type DisplayOptions, display } from './display.ts';
export { input } from './input.ts';
export { type Progress, progress } from './progress.ts';

/** The cell that runs this code. */
export const cell = {
  /** Execution number, as in `In [3]`. */
  get number(): number {
    return currentRun()?.number ?? 0;
  },
  /** Aborted when the cell is interrupted: hand it to `fetch`, to timers, to a generation. */
  get signal(): AbortSignal {
    return takeSignal() ?? new AbortController().signal;
  },
};
