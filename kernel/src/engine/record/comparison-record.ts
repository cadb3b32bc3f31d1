/** The record of a comparison: what its panel draws, as frames. It watches lanes from outside and changes no bit of them. */
import { leaves } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import {
  type ColumnName,
  type Columns,
  type ComparisonColumn,
  encodeFrame,
  type Frame,
  type FrameHeader,
  frameVersion,
  type RunInfo,
  type TokenText,
} from './frame.ts';
import { type Growing, growing } from './growing.ts';

/** Lane code of tokens that all lanes were fed. */
export const everyLane = 255;

/** What is known of a lane when a token is judged. */
export interface Judged {
  kl: number;
  top1: boolean;
  /** -ln p of the reference token. */
  nll: number;
  bytesHeld: number;
  bytesClaimed: number;
  stepMs: number;
}

export interface ComparisonRecord {
  readonly info: RunInfo;
  /** Adds tokens that all were fed, or that one lane wrote by itself. */
  tokens(ids: readonly number[], texts: readonly TokenText[], step: number, lane?: number): void;
  /** Adds one row: the prediction of every lane after `step` tokens of the answer. */
  judged(step: number, lanes: readonly Judged[]): void;
  /** Notes which positions a lane holds in how many heads after a step. */
  holding(lane: number, step: number, layers: readonly CacheLayer[]): void;
  budgets(bytes: Float64Array): void;
  /** What is new since the last call. */
  frame(state: FrameHeader['state'], message?: string): Frame;
  /** Everything so far as one frame. */
  snapshot(state?: FrameHeader['state'], message?: string): Frame;
}

type LogName = ComparisonColumn | Extract<ColumnName, `token.${string}` | `step.${string}`>;
type Log = Growing<Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array>;

export function createComparisonRecord(info: RunInfo): ComparisonRecord {
  const lanes = info.comparison!.lanes.length;
  const heads = info.model.layers * info.model.kvHeads;
  const log = {
    'token.id': growing(Uint32Array),
    'token.position': growing(Uint32Array),
    'token.step': growing(Uint32Array),
    'token.lane': growing(Uint8Array),
    'step.index': growing(Uint32Array),
    'compare.kl': growing(Float32Array, lanes),
    'compare.top1': growing(Uint8Array, lanes),
    'compare.nll': growing(Float32Array, lanes),
    'compare.held': growing(Float64Array, lanes),
    'compare.claimed': growing(Float64Array, lanes),
    'compare.ms': growing(Float32Array, lanes),
    'hold.lane': growing(Uint8Array),
    'hold.step': growing(Uint32Array),
    'hold.position': growing(Uint32Array),
    'hold.heads': growing(Uint16Array),
  } satisfies Partial<Record<LogName, Log>>;
  const all = Object.entries(log) as [LogName, Log][];
  const texts: TokenText[] = [];
  const held = Array.from({ length: lanes }, () => new Uint16Array(0));
  const sent = new Map<LogName, number>();
  let budget = new Float64Array(lanes).fill(Number.NaN);
  let fed = 0;
  let newest = 0;
  let sentTexts = 0;
  let sentInfo = false;

  const columnsFrom = (from: (name: LogName) => number): Columns => {
    const columns: Columns = { 'compare.budget': { lane: 'state', shape: [lanes], data: budget } };
    for (const [name, rows] of all) {
      const added = rows.rows - from(name);
      const shape = name.startsWith('compare.') ? [added, lanes] : [added];
      if (added) columns[name] = { lane: 'log', shape, data: rows.since(from(name)) };
    }
    return columns;
  };
  const header = (state: FrameHeader['state'], message?: string): Omit<FrameHeader, 'columns' | 'texts'> => ({
    type: 'frame',
    version: frameVersion,
    run: info.run,
    seq: 0,
    merged: 0,
    snapshot: false,
    step: newest,
    state,
    message,
  });

  return {
    info,
    tokens(ids, pieces, step, lane = everyLane) {
      texts.push(...pieces);
      newest = Math.max(newest, step);
      ids.forEach((id, i) => {
        log['token.id'].push(id);
        log['token.position'].push(lane === everyLane ? fed + i : info.promptLength + step - 1);
        log['token.step'].push(step);
        log['token.lane'].push(lane);
      });
      if (lane === everyLane) fed += ids.length;
    },
    judged(step, rows) {
      newest = Math.max(newest, step);
      log['step.index'].push(step);
      log['compare.kl'].pushRow(rows.map(({ kl }) => kl));
      log['compare.top1'].pushRow(rows.map(({ top1 }) => (top1 ? 1 : 0)));
      log['compare.nll'].pushRow(rows.map(({ nll }) => nll));
      log['compare.held'].pushRow(rows.map(({ bytesHeld }) => bytesHeld));
      log['compare.claimed'].pushRow(rows.map(({ bytesClaimed }) => bytesClaimed));
      log['compare.ms'].pushRow(rows.map(({ stepMs }) => stepMs));
    },
    holding(lane, step, layers) {
      const before = held[lane]!;
      const now = holders(layers, info.promptLength + step);
      now.forEach((count, position) => {
        if (count === (before[position] ?? heads)) return;
        log['hold.lane'].push(lane);
        log['hold.step'].push(step);
        log['hold.position'].push(position);
        log['hold.heads'].push(count);
      });
      held[lane] = now;
    },
    budgets(bytes) {
      budget = bytes as Float64Array<ArrayBuffer>;
    },
    frame(state, message) {
      const columns = columnsFrom((name) => sent.get(name) ?? 0);
      for (const [name, { rows }] of all) sent.set(name, rows);
      const news = texts.slice(sentTexts);
      sentTexts = texts.length;
      const first = !sentInfo;
      sentInfo = true;
      return encodeFrame({ ...header(state, message), ...(first ? { info } : {}), texts: news }, columns);
    },
    snapshot: (state = 'finished', message) =>
      encodeFrame(
        { ...header(state, message), snapshot: true, info, texts: [...texts] },
        columnsFrom(() => 0),
      ),
  };
}

/** Heads that hold a key or a value of each position. */
function holders(layers: readonly CacheLayer[], tokens: number): Uint16Array<ArrayBuffer> {
  const count = new Uint16Array(tokens);
  for (const { tables } of layers)
    for (const { count: entries, position, zone } of tables)
      for (let e = 0; e < entries; e++)
        if (zone.keys[e] !== leaves || zone.values[e] !== leaves) count[position[e]!]! += 1;
  return count;
}
