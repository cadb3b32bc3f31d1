/** Eviction timeline: position by step. All heads: how many hold each token. One head: which zone the token lies in. */
import { type Tone, zoneTone } from '../../draw/theme.ts';
import type { WordCandidate } from '../../draw/words.ts';
import { headCount, logColumn, type Run, seenAtStep } from '../../store/run.ts';
import { gone, headHistory, holdingAt } from '../../store/survival.ts';

/** One cell of the map. */
export const cellUnborn = 0;
export const cellGone = 1;
/** Cells from here on are states: `cellHeld + heads holding` or `cellHeld + zone`. */
export const cellHeld = 2;

export interface HeadChoice {
  layer: number;
  kvHead: number;
}

/** Which part of the run the map shows, and how it is binned. */
export interface MapFit {
  /** First position, and how many positions and steps there is room for. */
  from: number;
  positions: number;
  steps: number;
  /** Tokens in one column and steps in one row. */
  columnBin: number;
  rowBin: number;
}

export interface EvictionDrawing extends MapFit {
  columns: number;
  rows: number;
  /** States, [rows, columns]. */
  cells: Uint16Array;
  /** All heads: value at the far end of the ramp. */
  most: number;
  zones: { name: string; tone: Tone }[];
  /** One head: tokens in each zone at the step that is shown, whatever part of them the map shows. */
  held: number[];
  /** Tokens of the newest zone `recent` at the step that is shown, for its name beside the diagonal; 0 without one. */
  recent: number;
  words: WordCandidate[];
}

/** Encodes the map from the first step up to `step`; later rows stay unborn. */
export function encodeEviction(run: Run, step: number, head: HeadChoice | undefined, fit: MapFit): EvictionDrawing {
  const history = head && historyOf(run, head, step);
  const tokens = logColumn(run, 'token.step')?.rows ?? 0;
  const newest = history?.subarray(step * tokens, (step + 1) * tokens);
  const columns = Math.ceil(fit.positions / fit.columnBin);
  const rows = Math.ceil((fit.steps + 1) / fit.rowBin);
  return {
    ...fit,
    columns,
    rows,
    cells: history ? headCells(run, step, fit, history) : allCells(run, step, fit),
    most: headCount(run.info),
    zones: run.info.zones.map((name) => ({ name, tone: zoneTone(name, run.info.method.quantizes) })),
    held: run.info.zones.map((_, zone) => newest?.reduce((count, z) => count + (z === zone ? 1 : 0), 0) ?? 0),
    recent: recentLength(run, step, head),
    words: importantWords(run, step, newest),
  };
}

/** The last map of all heads by run: what was before a step does not change, so only new rows are made. */
const lastMaps = new WeakMap<Run, { key: string; step: number; cells: Uint16Array }>();

function allCells(run: Run, step: number, fit: MapFit): Uint16Array {
  const { from, positions, steps, columnBin, rowBin } = fit;
  const [columns, rows] = [Math.ceil(positions / columnBin), Math.ceil((steps + 1) / rowBin)];
  const key = [from, columns, rows, columnBin, rowBin].join();
  const last = lastMaps.get(run);
  const goesOn = last !== undefined && last.key === key && last.step <= step;
  const cells = goesOn ? last.cells : new Uint16Array(columns * rows);
  const { survival } = run;
  const tokens = logColumn(run, 'token.step')?.rows ?? 0;
  for (let row = goesOn ? Math.floor(last.step / rowBin) : 0; row < rows && row * rowBin <= step; row++) {
    const at = Math.min(step, row * rowBin + rowBin - 1);
    const end = Math.min(tokens, seenAtStep(run, at), from + columns * columnBin);
    const holding = Math.max(0, Math.min(at, survival.steps - 1)) * survival.stride;
    cells.fill(cellUnborn, row * columns, (row + 1) * columns);
    for (let position = from; position < end; position++) {
      const cell = row * columns + Math.floor((position - from) / columnBin);
      const held = survival.rows[holding + position]!;
      cells[cell] = Math.max(cells[cell]!, held === 0 ? cellGone : cellHeld + held);
    }
  }
  lastMaps.set(run, { key, step, cells });
  return cells;
}

/** The last history of one head by run: pointing at things must not cost what new data cost. */
const lastHistories = new WeakMap<Run, { key: string; history: Uint8Array }>();

function historyOf(run: Run, { layer, kvHead }: HeadChoice, step: number): Uint8Array {
  const key = [run.version, layer, kvHead, step].join();
  const last = lastHistories.get(run);
  if (last?.key === key) return last.history;
  const history = headHistory(run, layer, kvHead, 'keys', step + 1);
  lastHistories.set(run, { key, history });
  return history;
}

function headCells(run: Run, step: number, fit: MapFit, history: Uint8Array): Uint16Array {
  const { from, positions, steps, columnBin, rowBin } = fit;
  const [columns, rows] = [Math.ceil(positions / columnBin), Math.ceil((steps + 1) / rowBin)];
  const cells = new Uint16Array(columns * rows);
  const tokens = logColumn(run, 'token.step')?.rows ?? 0;
  for (let row = 0; row < rows && row * rowBin <= step; row++) {
    const at = Math.min(step, row * rowBin + rowBin - 1);
    const end = Math.min(tokens, seenAtStep(run, at), from + columns * columnBin);
    for (let position = from; position < end; position++) {
      const cell = row * columns + Math.floor((position - from) / columnBin);
      const state = history[at * tokens + position]!;
      // A column of several tokens shows the one that is held.
      if (state === gone) cells[cell] = Math.max(cells[cell]!, cellGone);
      else if (cells[cell]! < cellHeld) cells[cell] = cellHeld + state;
    }
  }
  return cells;
}

/** Words worth a label: held by many heads longest, rarely white space or a full stop, never a special token. */
function importantWords(run: Run, step: number, zones: Uint8Array | undefined): WordCandidate[] {
  const seen = Math.min(run.texts.length, seenAtStep(run, step));
  const words: WordCandidate[] = [];
  for (let position = 0; position < seen; position++) {
    const token = run.texts[position]!;
    if (token.special || token.bytes || !/\p{L}{2}/u.test(token.text)) continue;
    const heads = zones
      ? zones[position] === gone
        ? 0
        : 1
      : holdingAt(run.survival, position, step) / headCount(run.info);
    const length = Math.min(1, token.text.trim().length / 8);
    if (heads > 0) words.push({ position, text: token.text, weight: heads + length * 0.4 });
  }
  return words;
}

function recentLength(run: Run, step: number, head: HeadChoice | undefined): number {
  const zone = run.info.zones.findIndex((name) => zoneTone(name, run.info.method.quantizes) === 'recent');
  if (zone < 0) return 0;
  const { layer, kvHead } = head ?? { layer: 0, kvHead: 0 };
  const tokens = logColumn(run, 'token.step')?.rows ?? 0;
  const { keys, stride } = run.survival;
  const row = (layer * run.info.model.kvHeads + kvHead) * stride;
  const state =
    step === run.step
      ? keys.subarray(row, row + tokens)
      : historyOf(run, { layer, kvHead }, step).subarray(step * tokens);
  return state.reduce((count, z) => count + (z === zone ? 1 : 0), 0);
}

/** What is known of one token: heads that hold it after each step since it was written, and what made heads drop it. */
export interface Lifetime {
  position: number;
  born: number;
  holding: number[];
  /** Steps at which heads dropped it, with how many did. */
  drops: { step: number; heads: number }[];
}

export function lifetimeOf(run: Run, position: number, step: number): Lifetime | undefined {
  const born = logColumn(run, 'token.step')?.data[position];
  if (born === undefined || position >= run.texts.length || born > step) return undefined;
  const holding: number[] = [];
  const drops: { step: number; heads: number }[] = [];
  for (let s = born; s <= step; s++) {
    const now = holdingAt(run.survival, position, s);
    const before = holding.at(-1) ?? headCount(run.info);
    if (now < before) drops.push({ step: s, heads: before - now });
    holding.push(now);
  }
  return { position, born, holding, drops };
}

/** The position that most heads dropped at a step, or undefined where none left. */
export function mostDropped(run: Run, step: number): { position: number; heads: number; held: number } | undefined {
  const at = logColumn(run, 'event.step');
  const position = logColumn(run, 'event.position');
  const to = logColumn(run, 'event.to');
  if (!at || !position || !to) return undefined;
  const dropped = new Set<number>();
  let row = at.rows - 1;
  while (row >= 0 && at.data[row]! > step) row--;
  for (; row >= 0 && at.data[row] === step; row--) if (to.data[row] === gone) dropped.add(position.data[row]!);
  const before = (p: number) =>
    logColumn(run, 'token.step')?.data[p] === step || step === 0
      ? headCount(run.info)
      : holdingAt(run.survival, p, step - 1);
  let best: { position: number; heads: number; held: number } | undefined;
  for (const p of dropped) {
    const held = holdingAt(run.survival, p, step);
    const heads = before(p) - held;
    if (heads > (best?.heads ?? 0)) best = { position: p, heads, held };
  }
  return best;
}

/** Entries that left the cache at each step, over all heads; kept from frame to frame, since events only grow. */
const leaving = new WeakMap<Run, { counts: number[]; rows: number }>();

export function evictionsByStep(run: Run): readonly number[] {
  const known = leaving.get(run) ?? { counts: [], rows: 0 };
  leaving.set(run, known);
  const at = logColumn(run, 'event.step');
  const to = logColumn(run, 'event.to');
  if (!at || !to) return known.counts;
  for (; known.rows < at.rows; known.rows++) {
    if (to.data[known.rows] !== gone) continue;
    const step = at.data[known.rows]!;
    while (known.counts.length <= step) known.counts.push(0);
    known.counts[step]! += 1;
  }
  return known.counts;
}

/** The next step in a direction at which something left, or undefined where there is none. */
export function nextEviction(run: Run, step: number, direction: 1 | -1): number | undefined {
  const counts = evictionsByStep(run);
  for (let s = step + direction; s >= 0 && s < counts.length; s += direction) if (counts[s]! > 0) return s;
  return undefined;
}
