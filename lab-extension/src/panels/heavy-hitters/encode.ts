/** Heavy hitters: attention that each token has received so far, per layer and KV head. */
import type { Column } from 'kvlab/frame';
import { latestColumn, type Run } from '../../store/run.ts';
import { gone, holdingAt } from '../../store/survival.ts';

/** What counts as heavy: attention summed over queries and the heads of a group, or per query, as mean or largest of the group. */
export const scoreRules = ['sum', 'mean', 'largest'] as const;
export type ScoreRule = (typeof scoreRules)[number];
export const ruleWords: Readonly<Record<ScoreRule, string>> = {
  sum: 'sum over queries and group',
  mean: 'per query, mean of the group',
  largest: 'per query, largest of the group',
};

export interface HeavyDrawing {
  rule: ScoreRule;
  /** Step that the scores belong to. */
  step: number;
  tokens: number;
  /** [layers * kvHeads, tokens]. */
  scores: Float32Array;
  rows: number;
  /** Scores at or below this get no ink. */
  least: number;
  most: number;
}

/** Drawings by the column that they were made from: pointing at things must not cost what new data cost. */
const made = new WeakMap<object, Map<ScoreRule, HeavyDrawing>>();

export function encodeHeavy(run: Run, rule: ScoreRule = 'sum'): HeavyDrawing | undefined {
  const column = latestColumn(run, rule === 'sum' ? 'heavy.score' : 'attention.received');
  if (!column) return undefined;
  const known = made.get(column) ?? new Map<ScoreRule, HeavyDrawing>();
  made.set(column, known);
  const drawing = known.get(rule) ?? drawingOf(run, column, rule);
  known.set(rule, drawing);
  return drawing;
}

function drawingOf(run: Run, column: Column & { step: number }, rule: ScoreRule): HeavyDrawing {
  const tokens = column.shape[2]!;
  const { layers, kvHeads, queryHeads } = run.info.model;
  const scores =
    rule === 'sum'
      ? (column.data as Float32Array)
      : grouped(column.data as Float32Array, tokens, queryHeads / kvHeads, rule);
  return {
    rule,
    step: column.step,
    tokens,
    scores,
    rows: layers * kvHeads,
    least: rule === 'sum' ? 0.1 : 0.0005,
    most: scores.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** Mean or largest over the query heads that share a KV head. */
function grouped(values: Float32Array, tokens: number, group: number, rule: 'mean' | 'largest'): Float32Array {
  const out = new Float32Array(values.length / group);
  for (let i = 0; i < values.length; i++) {
    const head = Math.floor(Math.floor(i / tokens) / group);
    const at = head * tokens + (i % tokens);
    out[at] = rule === 'mean' ? out[at]! + values[i]! / group : Math.max(out[at]!, values[i]!);
  }
  return out;
}

/** Largest score of each bin of tokens on a log scale from 0 (at most `least`) to 1 (`most`), [rows, columns]. */
export function binScores(drawing: HeavyDrawing, from: number, columns: number, bin: number): Float32Array {
  const { tokens, rows, scores, most, least } = drawing;
  const span = Math.log(Math.max(most, least * 10) / least);
  const cells = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      let high = 0;
      const end = Math.min(tokens, from + (column + 1) * bin);
      for (let p = from + column * bin; p < end; p++) high = Math.max(high, scores[row * tokens + p]!);
      cells[row * columns + column] = high > least ? Math.log(high / least) / span : 0;
    }
  return cells;
}

export interface Concentration {
  /** Share of mass on the first i + 1 tokens by score. */
  shares: Float64Array;
  /** Positions by falling score. */
  order: number[];
}

/** How much of a head's score lies on its best tokens. */
export function concentration(drawing: HeavyDrawing, row: number): Concentration {
  const scores = drawing.scores.subarray(row * drawing.tokens, (row + 1) * drawing.tokens);
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
  return { order, shares: shareCurve(drawing, row) };
}

/** Curves by the scores that they were made from: pointing at things must not cost what new data cost. */
const curves = new WeakMap<Float32Array, Map<number, Float64Array>>();

/** The curve alone, without the order of positions. */
export function shareCurve(drawing: HeavyDrawing, row: number): Float64Array {
  const known = curves.get(drawing.scores) ?? new Map<number, Float64Array>();
  curves.set(drawing.scores, known);
  const curve = known.get(row) ?? curveOf(drawing, row);
  known.set(row, curve);
  return curve;
}

function curveOf(drawing: HeavyDrawing, row: number): Float64Array {
  const falling = drawing.scores
    .slice(row * drawing.tokens, (row + 1) * drawing.tokens)
    .sort()
    .reverse();
  const sum = falling.reduce((a, b) => a + b, 0) || 1;
  let running = 0;
  return Float64Array.from(falling, (score) => (running += score) / sum);
}

/** Share of mass on a share of tokens. */
export function shareAt({ shares }: Concentration, part: number): number {
  return shares[Math.max(0, Math.ceil(part * shares.length) - 1)] ?? Number.NaN;
}

const overlaps = new WeakMap<Float32Array, Float32Array>();

/** How alike the heavy tokens of two heads are: shared of all in either set, the best 5 % of tokens each, [rows, rows]. */
export function heavyOverlap(drawing: HeavyDrawing): Float32Array {
  const known = overlaps.get(drawing.scores);
  if (known) return known;
  const { rows, tokens } = drawing;
  const count = Math.max(1, Math.ceil(tokens * 0.05));
  const sets = Array.from({ length: rows }, (_, row) => new Set(concentration(drawing, row).order.slice(0, count)));
  const shared = new Float32Array(rows * rows);
  for (let a = 0; a < rows; a++)
    for (let b = a; b < rows; b++) {
      let both = 0;
      for (const position of sets[a]!) if (sets[b]!.has(position)) both += 1;
      shared[a * rows + b] = shared[b * rows + a] = both / (2 * count - both);
    }
  overlaps.set(drawing.scores, shared);
  return shared;
}

export interface TopToken {
  position: number;
  score: number;
  /** Heads that hold it at the step that is shown. */
  holding: number;
}

export function topTokens(
  run: Run,
  drawing: HeavyDrawing,
  row: number,
  order: readonly number[],
  count: number,
  step: number,
): TopToken[] {
  return order.slice(0, count).map((position) => ({
    position,
    score: drawing.scores[row * drawing.tokens + position]!,
    holding: holdingAt(run.survival, position, step),
  }));
}

/** One row for each layer, KV head and token, for files. */
export function heavyRows(run: Run, drawing: HeavyDrawing): Record<string, Float32Array | Uint32Array | string[]> {
  const { kvHeads } = run.info.model;
  const { rows, tokens, scores } = drawing;
  const total = rows * tokens;
  const ranks = new Uint32Array(total);
  for (let row = 0; row < rows; row++)
    for (const [rank, position] of concentration(drawing, row).order.entries()) ranks[row * tokens + position] = rank;
  const whole = (of: (i: number) => number) => Uint32Array.from({ length: total }, (_, i) => of(i));
  const { keys, stride } = run.survival;
  return {
    layer: whole((i) => Math.floor(i / tokens / kvHeads)),
    kv_head: whole((i) => Math.floor(i / tokens) % kvHeads),
    position: whole((i) => i % tokens),
    token: Array.from({ length: total }, (_, i) => run.texts[i % tokens]?.text ?? ''),
    score: scores,
    rank: ranks,
    heavy: whole((i) => (ranks[i]! < Math.ceil(tokens * 0.05) ? 1 : 0)),
    held: whole((i) => (keys[Math.floor(i / tokens) * stride + (i % tokens)] === gone ? 0 : 1)),
  };
}
