/** One run as the page knows it: every frame so far, merged into columns that panels only read. */
import {
  type Column,
  type ColumnName,
  decodeFrame,
  type FrameHeader,
  type ReadColumn,
  type RunInfo,
  type TokenText,
} from 'kvlab/frame';
import { appendRows, type GrowingColumn, growingColumn } from './growing.ts';
import { advanceSurvival, type Survival, survivalOf } from './survival.ts';

export interface Run {
  readonly info: RunInfo;
  /** Newest step. */
  step: number;
  state: FrameHeader['state'];
  message: string;
  texts: TokenText[];
  log: Map<string, GrowingColumn>;
  latest: Map<string, Column & { step: number }>;
  survival: Survival;
  /** Frames that the kernel merged because this page was late. */
  merged: number;
  /** Number of the newest frame that was applied. Frames of all runs are counted together, so that a snapshot is never
   *  taken for the picture that it replaces. */
  version: number;
}

let applied = 0;

/** Starts a run from a frame that carries its `info`. */
export function runOf(header: FrameHeader, buffer: ArrayBuffer | DataView): Run {
  if (!header.info) throw new Error(`run: the first frame of ${header.run} has no info; ask for a snapshot`);
  const run: Run = {
    info: header.info,
    step: 0,
    state: 'running',
    message: '',
    texts: [],
    log: new Map(),
    latest: new Map(),
    survival: survivalOf(header.info),
    merged: 0,
    version: 0,
  };
  extendRun(run, header, buffer);
  return run;
}

/** Adds a frame to its run: log columns append, state columns replace. */
export function extendRun(run: Run, header: FrameHeader, buffer: ArrayBuffer | DataView): void {
  for (const [name, column] of Object.entries(decodeFrame(header, buffer))) {
    const known = run.log.get(name);
    if (column.lane === 'state') run.latest.set(name, { ...column, step: header.step });
    else if (known) appendRows(name, known, column);
    else run.log.set(name, growingColumn(column));
  }
  run.texts.push(...header.texts);
  run.step = header.step;
  run.state = header.state;
  run.message = header.message ?? '';
  run.merged += header.merged;
  applied += 1;
  run.version = applied;
  // A comparison has no cache of its own: its lanes are runs, and it says itself what they hold.
  if (!run.info.comparison) advanceSurvival(run);
}

/** A log column, or undefined where the run does not record it. */
export function logColumn(run: Run, name: ColumnName | ReadColumn): GrowingColumn | undefined {
  return run.log.get(name);
}

/** The newest value of a state column, with the step that it belongs to. */
export function latestColumn(run: Run, name: ColumnName | ReadColumn): (Column & { step: number }) | undefined {
  return run.latest.get(name);
}

/** Row of the step columns that belongs to a step: the last one whose step is not later, or -1. */
export function rowAtStep(run: Run, step: number): number {
  const column = run.log.get('step.index');
  if (!column) return -1;
  let low = 0;
  let high = column.rows;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column.data[middle]! <= step) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Tokens seen after a step. */
export function seenAtStep(run: Run, step: number): number {
  const seen = run.log.get('step.seen');
  const row = rowAtStep(run, step);
  return seen && row >= 0 ? seen.data[row]! : run.texts.length;
}

/** Median decoding speed over the last 16 steps, in tokens per second; NaN before the first step. */
export function tokensPerSecond(run: Run): number {
  const ms = run.log.get('step.ms');
  const index = run.log.get('step.index');
  if (!ms || !index) return Number.NaN;
  const recent: number[] = [];
  for (let row = ms.rows - 1; row >= 0 && recent.length < 16; row--)
    if (index.data[row]! > 0) recent.push(ms.data[row]!);
  recent.sort((a, b) => a - b);
  return recent.length ? 1000 / recent[recent.length >> 1]! : Number.NaN;
}

/** Tokens of the prompt that were read, while it is still being read; undefined afterwards. */
export function promptRead(run: Run): number | undefined {
  return run.log.has('step.index') || run.state === 'finished' ? undefined : run.texts.length;
}

/** False for a saved run whose evictions were left out: who holds which token is then not known. */
export function evictionsKnown({ info, log }: Run): boolean {
  return log.has('event.step') || !info.leftOut.split(', ').includes('evictions');
}

/** All (layer, KV head) pairs of the model. */
export function headCount(info: RunInfo): number {
  return info.model.layers * info.model.kvHeads;
}
