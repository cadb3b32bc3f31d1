/** Compare as data: lanes with their figures, texts that part, survival of each, and what left before a peak of KL. */
import type { ComparisonColumn, ComparisonInfo } from 'kvlab/frame';
import { movingMean } from '../../draw/scale.ts';
import { headCount, type Run } from '../../store/run.ts';
import { type Store, shownRun } from '../../store/store.ts';

/** Tokens over which KL is smoothed. */
export const smoothing = 12;
/** Steps before a peak in which evictions are looked for. */
export const stepsBefore = 16;
/** Methods that have a hue of their own. */
export const huedMethods = 4;

export interface CompareLane {
  lane: number;
  method: string;
  /** Method and setting in few words. */
  name: string;
  /** Index of its hue; undefined for the full cache and beyond the fourth method. */
  hue: number | undefined;
  /** False for a further setting of a method that is already drawn: an open point without a line. */
  first: boolean;
  /** In nats, one for each judged token. */
  kl: number[];
  smooth: number[];
  meanKl: number;
  agreement: number;
  perplexity: number;
  bytesHeld: number;
  /** Share of the full cache's bytes. */
  ofFull: number;
  budget: number;
  free: FreeText | undefined;
  /** The lane's own run, where it was recorded. */
  run: string | undefined;
}
export interface FreeText {
  pieces: string[];
  /** Index of the first token that is not the full cache's; undefined where there is none. */
  divergesAt: number | undefined;
}
export interface CompareDrawing {
  comparison: Run;
  info: ComparisonInfo;
  /** Judged tokens; 0 in free mode. */
  judged: number;
  lanes: CompareLane[];
  /** The highest KL of all. */
  peak: { lane: number; row: number; kl: number } | undefined;
}

/** The comparison that the shown run belongs to, else the newest. */
export function shownComparison(store: Store): Run | undefined {
  const of = shownRun(store)?.info.laneOf?.comparison;
  const all = [...store.runs.values()].filter(({ info }) => info.comparison);
  return all.find(({ info }) => info.run === of) ?? all.at(-1);
}

function columnOf(run: Run, name: ComparisonColumn | 'token.id' | 'token.step') {
  return run.log.get(name);
}

export function encodeCompare(comparison: Run): CompareDrawing {
  const info = comparison.info.comparison!;
  const P = info.lanes.length;
  const judged = columnOf(comparison, 'compare.kl')?.rows ?? 0;
  const series = (name: ComparisonColumn, p: number): number[] => {
    const data = columnOf(comparison, name)?.data;
    return data ? Array.from({ length: judged }, (_, row) => data[row * P + p]!) : [];
  };
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  const budgets = comparison.latest.get('compare.budget')?.data;
  const hues = [...new Set(info.lanes.slice(1).map(({ method }) => method))];
  const texts = freeTexts(comparison, P);
  const lanes = info.lanes.map(({ method, setting, run }, p): CompareLane => {
    const kl = series('compare.kl', p);
    const hue = p === 0 ? -1 : hues.indexOf(method);
    return {
      lane: p,
      method,
      name: laneName(method, setting),
      hue: hue >= 0 && hue < huedMethods ? hue : undefined,
      first: info.lanes.findIndex((lane) => lane.method === method) === p,
      kl,
      smooth: movingMean(kl, smoothing),
      meanKl: mean(kl),
      agreement: mean(series('compare.top1', p)),
      perplexity: Math.exp(mean(series('compare.nll', p))),
      bytesHeld: series('compare.held', p).at(-1) ?? Number.NaN,
      ofFull: (series('compare.held', p).at(-1) ?? Number.NaN) / (series('compare.held', 0).at(-1) ?? Number.NaN),
      budget: budgets?.[p] ?? Number.NaN,
      free: texts[p],
      run,
    };
  });
  let peak: CompareDrawing['peak'];
  for (const { lane, kl } of lanes)
    kl.forEach((value, row) => {
      if (value > (peak?.kl ?? 0)) peak = { lane, row, kl: value };
    });
  return { comparison, info, judged, lanes, peak };
}

/** "H2O 20 %" for H2O with keep 20 %. */
export function laneName(method: string, setting: string): string {
  if (method === 'full') return 'Full cache';
  return setting ? `${method} ${setting.replace(/^keep /, '')}` : method;
}

function freeTexts(comparison: Run, lanes: number): (FreeText | undefined)[] {
  const laneOf = columnOf(comparison, 'token.lane');
  const id = columnOf(comparison, 'token.id');
  if (!laneOf || !id) return [];
  const written = Array.from({ length: lanes }, () => ({ ids: [] as number[], pieces: [] as string[] }));
  for (let row = 0; row < laneOf.rows; row++) {
    const own = written[laneOf.data[row]!];
    if (!own) continue;
    own.ids.push(id.data[row]!);
    own.pieces.push(comparison.texts[row]?.text ?? '');
  }
  const full = written[0]!.ids;
  return written.map(({ ids, pieces }) => {
    if (!ids.length) return undefined;
    // While lanes write, one can be a token ahead of the full cache: only what both have is compared.
    const both = Math.min(full.length, ids.length);
    const at = ids.slice(0, both).findIndex((token, i) => token !== full[i]);
    return { pieces, divergesAt: at < 0 ? undefined : at };
  });
}

/** The first token that all were fed after the prompt, and those that follow, by judged row. */
export function referenceTexts(comparison: Run): string[] {
  const laneOf = columnOf(comparison, 'token.lane');
  const texts: string[] = [];
  for (let row = comparison.info.promptLength; row < (laneOf?.rows ?? 0); row++)
    if (laneOf!.data[row] === 255) texts.push(comparison.texts[row]?.text ?? '');
  return texts;
}

/** Text of a position of the prompt or of the tokens that all were fed. */
export function textAt(comparison: Run, position: number): string | undefined {
  const { promptLength } = comparison.info;
  return position < promptLength
    ? comparison.texts[position]?.text
    : referenceTexts(comparison)[position - promptLength];
}

/** Heads that hold each position of a lane after each step, [steps + 1, tokens]; 0 where it is not written yet. */
export interface LaneSurvival {
  tokens: number;
  steps: number;
  heads: number;
  rows: Uint16Array;
}

export function laneSurvival(comparison: Run, lane: number): LaneSurvival {
  const heads = headCount(comparison.info);
  const steps = comparison.step;
  const prompt = comparison.info.promptLength;
  const tokens = prompt + steps;
  const rows = new Uint16Array((steps + 1) * tokens);
  const now = new Uint16Array(tokens).fill(heads, 0, prompt);
  const column = (name: 'lane' | 'step' | 'position' | 'heads') => columnOf(comparison, `hold.${name}`)?.data;
  const [laneOf, stepOf, positionOf, headsOf] = [column('lane'), column('step'), column('position'), column('heads')];
  const count = columnOf(comparison, 'hold.lane')?.rows ?? 0;
  const changes = Array.from({ length: steps + 1 }, () => [] as number[]);
  for (let row = 0; row < count; row++) if (laneOf![row] === lane) changes[stepOf![row]!]?.push(row);
  for (let step = 0; step <= steps; step++) {
    if (step > 0) now[prompt + step - 1] = heads;
    for (const row of changes[step]!) if (positionOf![row]! < tokens) now[positionOf![row]!] = headsOf![row]!;
    rows.set(now, step * tokens);
  }
  return { tokens, steps, heads, rows };
}

export interface Lost {
  position: number;
  /** Heads that dropped it. */
  heads: number;
}

/** What a lane lost in the steps before a judged token: positions that heads dropped, most heads first. */
export function lostBefore({ tokens, steps, heads, rows }: LaneSurvival, step: number, promptLength: number): Lost[] {
  const to = Math.min(step, steps);
  const from = Math.max(0, to - stepsBefore);
  const lost: Lost[] = [];
  for (let position = 0; position < promptLength + to; position++) {
    // What was there all along, or was written in between, started in all heads; the prompt's own cut counts at step 0.
    const before = from === 0 || position >= promptLength + from ? heads : rows[from * tokens + position]!;
    const dropped = before - rows[to * tokens + position]!;
    if (dropped > 0) lost.push({ position, heads: dropped });
  }
  return lost.sort((a, b) => b.heads - a.heads || a.position - b.position);
}

/** Judged rows that stand out in a lane: higher than both neighbours and than twice the lane's mean. */
export function peaksOf({ kl, meanKl }: CompareLane): number[] {
  return [...kl.keys()].filter(
    (row) => kl[row]! > 2 * meanKl && kl[row]! >= (kl[row - 1] ?? 0) && kl[row]! > (kl[row + 1] ?? 0),
  );
}
