/** What the header of a frame must be, field by field. It names every field of the contract: a field that is added there
 *  and not here does not compile. */
import { type ComparisonInfo, type FrameHeader, frameVersion, links, type RunInfo, type TokenText } from 'kvlab/frame';
import { type Check, either, finite, list, object, oneOf, optional, table, text, whole, yesOrNo } from './check.ts';

/** Most tokens, steps and rows of a run that is read from a file. */
const mostTokens = 2 ** 17;
const line = text(2000);
const size = whole(1024, 1);
const count = whole(mostTokens);

/** An expression that only names a method and its options: no call inside, so copying it into a cell runs nothing else. */
const plainCall = /^methods\.\w+\((\{ [^()`=;\\]* \})?\)$/;
const plainSampler = /^("greedy"|\{["\w:.,\s-]*\})$/;
/** A file inside the repository. */
const repositoryPath = /^(?!.*\.\.)[\w-][\w./-]*$/;

type Made<T> = { [K in keyof Required<T>]: Check<T[K]> };

const model: Made<RunInfo['model']> = {
  name: line,
  layers: size,
  queryHeads: size,
  kvHeads: size,
  headSize: whole(4096, 1),
  context: whole(2 ** 24),
};

const slot: Made<RunInfo['method']['slots'][number]> = {
  slot: oneOf('score', 'allocate', 'select', 'compensate', 'encode', 'place', 'fetch', 'attend'),
  text: line,
  neutral: yesOrNo,
  file: optional(text(200, repositoryPath)),
};

const method: Made<RunInfo['method']> = {
  name: line,
  setting: line,
  paper: line,
  call: optional(text(2000, plainCall)),
  options: optional(table(/^\w{1,64}$/, either(either(finite, yesOrNo), line), 64)),
  changeable: optional(list(text(64, /^\w+$/), 64)),
  slots: list(object(slot), 8),
  quantizes: yesOrNo,
  departures: list(line, 64),
};

const lane: Made<ComparisonInfo['lanes'][number]> = { method: line, setting: line, run: optional(line) };

const comparison: Made<ComparisonInfo> = {
  mode: oneOf('forced', 'free', 'both'),
  sampler: line,
  lanes: list(object(lane), 16),
};

const link = object<{ bytesPerSecond: number; secondsPerMove: number }>({
  bytesPerSecond: finite,
  secondsPerMove: finite,
});

const info: Made<RunInfo> = {
  run: text(200),
  title: line,
  model: object(model),
  method: object(method),
  zones: list(text(100), 64),
  promptLength: count,
  maxTokens: count,
  device: line,
  seed: finite,
  sampler: optional(text(500, plainSampler)),
  sinkCount: count,
  leftOut: line,
  links: optional(
    table(new RegExp(`^(${links.join('|')})$`), link, links.length) as Check<NonNullable<RunInfo['links']>>,
  ),
  recorded: optional(yesOrNo),
  comparison: optional(object(comparison)),
  laneOf: optional(object<{ comparison: string; lane: number }>({ comparison: text(200), lane: whole(16) })),
};

const token: Made<TokenText> = {
  text: text(1000),
  special: optional(oneOf(true)),
  bytes: optional(oneOf(true)),
};

const column: Made<FrameHeader['columns'][number]> = {
  name: text(64),
  lane: oneOf('log', 'state'),
  type: oneOf('f32', 'f64', 'u8', 'u16', 'u32', 'i32'),
  shape: list(whole(2 ** 27), 4),
  offset: whole(2 ** 30),
};

const header: Made<FrameHeader> = {
  type: oneOf('frame'),
  version: oneOf(frameVersion),
  run: text(200),
  seq: whole(Number.MAX_SAFE_INTEGER),
  merged: whole(Number.MAX_SAFE_INTEGER),
  snapshot: yesOrNo,
  info: object(info),
  step: count,
  state: oneOf('running', 'paused', 'finished', 'interrupted', 'failed'),
  message: optional(line),
  texts: list(object(token), mostTokens),
  columns: list(object(column), 256),
};

/** The header of a snapshot. */
export type SnapshotHeader = FrameHeader & { info: RunInfo };

/** Copies the header of a snapshot, or throws with the first field that is not as it must be. */
export const snapshotHeader = object(header) as Check<SnapshotHeader>;
