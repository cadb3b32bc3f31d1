/** Token strip: surprise as ground, share of heads that hold the token as underline. */

import { tokenWord } from '../../draw/words.ts';
import { headCount, latestColumn, logColumn, type Run, seenAtStep } from '../../store/run.ts';
import { holdingAt } from '../../store/survival.ts';

/** Surprise in nats that takes the far end of the ramp. */
export const mostSurprise = 10;

export interface StripToken {
  position: number;
  /** What is drawn: white space made visible where it is all there is. */
  shown: string;
  special: boolean;
  generated: boolean;
  /** −ln p, NaN for the first token. */
  surprise: number;
  /** What the ground shades, and that from 0 to 1. */
  value: number;
  ground: number;
  /** Heads that hold the token at the step that is shown. */
  holding: number;
}

/** What the ground behind a token can say. */
export const stripMeasures = ['surprise', 'entropy', 'received', 'bits'] as const;
export type StripMeasure = (typeof stripMeasures)[number];

/** Words around which values are gathered: the token itself, or a word, sentence or line that it belongs to, by its mean. */
export const granularities = ['token', 'word', 'sentence', 'line'] as const;
export type Granularity = (typeof granularities)[number];

export interface StripView {
  measure: StripMeasure;
  granularity: Granularity;
}
export const plainStrip: StripView = { measure: 'surprise', granularity: 'token' };

/** Name, unit and far end of a measure. */
export const measureScales: Readonly<Record<StripMeasure, { label: string; low: string; high: string }>> = {
  surprise: { label: 'surprise, nats', low: '0', high: '≥10' },
  entropy: { label: 'entropy, nats', low: '0', high: '≥6' },
  received: { label: 'attention received, log', low: '≤0.001', high: '1' },
  bits: { label: 'stored bits', low: 'exact', high: '1' },
};

/** Tokens seen up to a step, in order of position. */
export function encodeTokenStrip(run: Run, step: number, view: StripView = plainStrip): StripToken[] {
  const logProb = logColumn(run, 'token.logProb')?.data;
  const values = measured(run, view.measure);
  const seen = Math.min(run.texts.length, seenAtStep(run, step));
  const grouped = groupedBy(run, values, seen, view.granularity);
  return run.texts.slice(0, seen).map((token, position) => ({
    position,
    value: grouped(position),
    ground: groundOf(view.measure, grouped(position)),
    shown: tokenWord(token.text),
    special: token.special === true || token.bytes === true,
    generated: position >= run.info.promptLength,
    surprise: -(logProb?.[position] ?? Number.NaN),
    holding: holdingAt(run.survival, position, step),
  }));
}

/** Value of a measure for each position; NaN where it is not known. */
function measured(run: Run, measure: StripMeasure): (position: number) => number {
  if (measure === 'surprise' || measure === 'entropy') {
    const column = logColumn(run, measure === 'surprise' ? 'token.logProb' : 'token.entropy')?.data;
    const sign = measure === 'surprise' ? -1 : 1;
    return (position) => sign * (column?.[position] ?? Number.NaN);
  }
  const column = latestColumn(run, measure === 'received' ? 'attention.received' : 'quantization.bits');
  const tokens = column?.shape[2] ?? 0;
  if (!column) return () => Number.NaN;
  if (!means.has(column)) means.set(column, meanOverRows(column.data, tokens));
  const mean = means.get(column)!;
  return (position) => (position < tokens ? mean[position]! : Number.NaN);
}

/** Means over heads by the column that they were made from: pointing at things must not cost what new data cost. */
const means = new WeakMap<object, Float64Array>();

/** Mean over all leading axes; what is 0 or no number does not count, and where nothing counts it is NaN. */
function meanOverRows(data: ArrayLike<number>, tokens: number): Float64Array {
  const sums = new Float64Array(tokens);
  const counts = new Uint32Array(tokens);
  for (let i = 0; i < data.length; i++)
    if (data[i]! > 0) {
      sums[i % tokens]! += data[i]!;
      counts[i % tokens]! += 1;
    }
  return sums.map((sum, position) => sum / counts[position]!);
}

function groundOf(measure: StripMeasure, value: number): number {
  if (!Number.isFinite(value)) return 0;
  if (measure === 'surprise') return value / mostSurprise;
  if (measure === 'entropy') return value / 6;
  if (measure === 'received') return 1 + Math.log10(value) / 3;
  return value >= 16 ? 0 : 1 - (value - 1) / 15;
}

/** Mean of the word, sentence or line that a position lies in. */
function groupedBy(
  run: Run,
  values: (position: number) => number,
  seen: number,
  granularity: Granularity,
): (position: number) => number {
  if (granularity === 'token') return values;
  const ends: Record<Exclude<Granularity, 'token'>, (position: number) => boolean> = {
    // A piece that starts with white space, or is none of a word's letters, starts a new word.
    word: (p) => !/^[\p{L}\p{N}'’]/u.test(run.texts[p + 1]?.text ?? ''),
    sentence: (p) => /[.!?…]["”’)]*$|\n/.test(run.texts[p]!.text) || run.texts[p]!.special === true,
    line: (p) => run.texts[p]!.text.includes('\n') || run.texts[p]!.special === true,
  };
  const out = new Float64Array(seen);
  for (let start = 0; start < seen; ) {
    let end = start;
    while (end < seen - 1 && !ends[granularity](end)) end++;
    let [sum, count] = [0, 0];
    for (let p = start; p <= end; p++)
      if (Number.isFinite(values(p))) {
        sum += values(p);
        count += 1;
      }
    out.fill(sum / count, start, end + 1);
    start = end + 1;
  }
  return (position) => out[position]!;
}

/** All tokens with every measure, for files. */
export function stripRows(run: Run, tokens: readonly StripToken[]): Record<string, number[] | string[]> {
  const ids = logColumn(run, 'token.id')?.data;
  const steps = logColumn(run, 'token.step')?.data;
  const each = (measure: StripMeasure) => tokens.map(({ position }) => measured(run, measure)(position));
  return {
    position: tokens.map(({ position }) => position),
    id: tokens.map(({ position }) => ids?.[position] ?? Number.NaN),
    step: tokens.map(({ position }) => steps?.[position] ?? Number.NaN),
    text: tokens.map(({ position }) => run.texts[position]!.text),
    role: tokens.map(({ generated }) => (generated ? 'generated' : 'prompt')),
    log_prob: tokens.map(({ surprise }) => -surprise),
    entropy: each('entropy'),
    received: each('received'),
    bits: each('bits'),
    heads_holding: tokens.map(({ holding }) => holding),
  };
}

/** Share of heads that hold a token. */
export function holdingShare(run: Run, token: StripToken): number {
  return token.holding / headCount(run.info);
}
