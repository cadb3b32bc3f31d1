/** Heavy hitters: attention that each token has received so far, per layer and KV head. */
import { latestColumn, type Run } from '../../store/run.ts';
import { holdingAt } from '../../store/survival.ts';

/** Scores at or below this get no ink. */
export const leastScore = 0.1;

export interface HeavyDrawing {
  /** Step that the scores belong to. */
  step: number;
  tokens: number;
  /** [layers * kvHeads, tokens]. */
  scores: Float32Array;
  rows: number;
  most: number;
}

export function encodeHeavy(run: Run): HeavyDrawing | undefined {
  const column = latestColumn(run, 'heavy.score');
  if (!column) return undefined;
  const [layers, kvHeads, tokens] = column.shape as [number, number, number];
  const scores = column.data as Float32Array;
  return {
    step: column.step,
    tokens,
    scores,
    rows: layers * kvHeads,
    most: scores.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** Largest score of each bin of tokens on a log scale from 0 (at most `leastScore`) to 1 (`most`), [rows, columns]. */
export function binScores(drawing: HeavyDrawing, from: number, columns: number, bin: number): Float32Array {
  const { tokens, rows, scores, most } = drawing;
  const span = Math.log(Math.max(most, leastScore * 10) / leastScore);
  const cells = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      let high = 0;
      const end = Math.min(tokens, from + (column + 1) * bin);
      for (let p = from + column * bin; p < end; p++) high = Math.max(high, scores[row * tokens + p]!);
      cells[row * columns + column] = high > leastScore ? Math.log(high / leastScore) / span : 0;
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
