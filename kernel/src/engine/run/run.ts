/** A run: a prompt and the text that the model writes after it, on the cache of one method. */

import { type Method, methods, type NamedOptions } from '@kvlab/ops';
import type { Measured } from '../attend/taken.ts';
import { type LinkModel, linkModels } from '../cache/traffic.ts';
import { fittedFor } from '../fit/fitted.ts';
import type { Model } from '../model/load.ts';
import type { Frame, FrameHeader, Link, PanelMessage } from '../record/frame.ts';
import { createRecorder, type Recorder } from '../record/recorder.ts';
import { bytesOf, keptBy, type RunBytes } from './bytes.ts';
import { type Change, changeRun, checkChanges } from './change.ts';
import { runControl } from './control.ts';
import { runInfo, titleOf } from './info.ts';
import { beforePrompt } from './pass.ts';
import { type Prompt, promptIds } from './prompt.ts';
import { checkSampler, entropyOf, logSumExp, randomStream, type Sampler, sample } from './sampler.ts';
import { createSequence, forkSequence, type Sequence } from './sequence.ts';
import { feedPrompt, feedToken } from './steps.ts';
import { textStream } from './text.ts';

export interface TokenEvent {
  id: number;
  /** Whole characters that this token completes; empty while one is incomplete. */
  text: string;
  position: number;
  /** Index among the new tokens. */
  index: number;
  /** ln p(token | all before it). */
  logProb: number;
}
/** A query head of a layer. */
export interface QueryHead {
  layer: number;
  queryHead: number;
}
export interface GenerateOptions {
  method?: Method;
  maxTokens?: number;
  sampler?: Sampler;
  /** Generation ends when the text contains one of these; the model's end tokens always end it. */
  stop?: string | readonly string[];
  seed?: number;
  /** Watches attention, events and bytes (default true). Heads that are named keep their whole attention rows besides. */
  record?: boolean | readonly QueryHead[];
  /** Tokens of a prompt chunk. */
  chunk?: number;
  /** What is said of the links between tiers, from which `estimatedMoveMs` follows. */
  links?: Partial<Record<Link, Partial<LinkModel>>>;
  /** Amounts of the method that change while it writes, each from its step on; the first token is step 1. */
  changes?: readonly Change[];
  /** Name of the run in the lab's header. */
  title?: string;
  onToken?: (token: TokenEvent) => void;
  /** Called while something is calibrated on this model, the first time that a method needs it. */
  onFit?: (fit: string, share: number) => void;
  /** Called while the prompt is read. */
  onPrompt?: (fed: number, of: number) => void;
  signal?: AbortSignal;
}
export interface Run {
  readonly id: string;
  readonly model: Model;
  readonly method: Method;
  /** Decoded new tokens. */
  readonly text: string;
  /** New token ids only. */
  readonly ids: Uint32Array;
  readonly promptIds: Uint32Array;
  /** Why it ended. */
  readonly ended: 'maxTokens' | 'end token' | 'stop' | 'interrupted' | 'stopped';
  /** Absolute positions held, in time order. */
  kept(layer: number, kvHead: number): Int32Array;
  /** What each measure of the method said of each token that was written and fed, by the measure's name. */
  readonly tokenMeasures: ReadonlyMap<string, readonly number[]>;
  /** What the attend slot counted on its query rows, prompt included: FlashDecoding++ counts rows that it `recomputed`. */
  readonly measures: ReadonlyMap<string, Measured>;
  bytes(): RunBytes;
  /** False where it ran with `record: false`. */
  readonly recorded: boolean;
  /** Everything recorded so far. */
  snapshot(): Frame;
  /** Attention rows of a head named in `record`: one for each query, prompt first, by absolute position of the key. */
  attentionRows(layer: number, queryHead: number): readonly Float32Array[];
  /** Gives the method other amounts from the next step on: `run.change({ keep: 0.1 })`, then `run.continue`. */
  change(options: NamedOptions): void;
  /** Feeds more text on the same cache and writes on. */
  continue(more: Prompt, options?: Omit<GenerateOptions, 'method' | 'record' | 'title'>): Promise<Run>;
  /** A copy that goes on by itself. */
  fork(): Run;
}

/** What ties a run to its surroundings: frames go out, messages of panels come in. */
export interface Stage {
  /** Takes a frame; never waits for a browser. Absent where nobody looks. */
  publish?(frame: Frame): void;
  /** Calls the listener for each message of a panel; gives the function that stops it. */
  onPanel?(listener: (message: PanelMessage) => void): () => void;
  /** Aborted when the running cell is interrupted. */
  signal?(): AbortSignal | undefined;
  newId(): string;
  now(): number;
}

interface Live {
  sequence: Sequence;
  recorder: Recorder | undefined;
  stage: Stage;
  id: string;
  title: string;
  newIds: number[];
  promptIds: Uint32Array;
  /** Chosen but not fed yet. */
  pending: number | undefined;
  ended: Run['ended'];
}

export async function generate(model: Model, prompt: Prompt, options: GenerateOptions, stage: Stage): Promise<Run> {
  const { method = methods.full(), seed = 0, record = true } = options;
  checkOptions(options);
  checkChanges(method, options.changes ?? []);
  const ids = promptIds(model, prompt);
  const signal = interruptionOf(options, stage);
  const fitted = await fittedFor(model, method, { signal, onProgress: options.onFit });
  const sequence = createSequence(model, method, seed, fitted, linkModels(options.links));
  const id = stage.newId();
  const title = options.title ?? titleOf(model, prompt, ids);
  const live: Live = {
    sequence,
    recorder: undefined,
    stage,
    id,
    title,
    newIds: [],
    promptIds: Uint32Array.from(ids),
    pending: undefined,
    ended: 'maxTokens',
  };
  const rowsOf = Array.isArray(record) ? (record as readonly QueryHead[]) : [];
  checkHeads(model, rowsOf);
  if (record)
    live.recorder = createRecorder(
      sequence,
      runInfo(sequence, { run: id, title, promptLength: ids.length, ...options }),
      rowsOf,
    );
  const read = await beforePrompt(model, method, ids, signal);
  await write(live, read.ids, { ...options, guests: read.guests });
  return runOf(live);
}

function checkOptions({ maxTokens = 64, sampler = 'greedy', chunk = 128 }: GenerateOptions): void {
  checkSampler(sampler);
  if (!Number.isInteger(maxTokens) || maxTokens < 0)
    throw new RangeError(`generate: maxTokens is ${maxTokens}; give a whole number from 0`);
  if (!Number.isInteger(chunk) || chunk < 1)
    throw new RangeError(`generate: chunk is ${chunk}; give a whole number from 1`);
}

function checkHeads(model: Model, heads: readonly QueryHead[]): void {
  const { layers, queryHeads } = model.config;
  for (const { layer, queryHead } of heads)
    if (!(layer >= 0 && layer < layers && queryHead >= 0 && queryHead < queryHeads))
      throw new RangeError(
        `generate: record names layer ${layer}, query head ${queryHead}; the model has layers 0 to ${layers - 1} and query heads 0 to ${queryHeads - 1}`,
      );
}

/** Aborted when the surroundings interrupt the run, and when the caller does. */
function interruptionOf({ signal }: Pick<GenerateOptions, 'signal'>, stage: Stage): AbortSignal | undefined {
  const signals = [signal, stage.signal?.()].filter((s) => s !== undefined);
  return signals.length > 1 ? AbortSignal.any(signals) : signals[0];
}

/** Feeds `ids` and writes until something ends it. An interrupted run keeps what it has. */
async function write(
  live: Live,
  ids: readonly number[],
  options: GenerateOptions & { guests?: readonly number[] },
): Promise<void> {
  const { sequence, recorder, stage, newIds } = live;
  const { model } = sequence;
  const { maxTokens = 64, sampler = 'greedy', seed = 0, onToken } = options;
  const signal = interruptionOf(options, stage);
  const stops = [options.stop ?? []].flat();
  const random = randomStream(seed + sequence.ids.length);
  const stream = textStream(model.tokenizer);
  const control = runControl(live.id, stage, {
    watch: (layer, queryHead) => recorder?.watch(layer, queryHead),
    change: (asked) => changeRun(sequence, recorder, asked),
  });
  const publish = (state: FrameHeader['state'], message?: string): void => {
    if (recorder) stage.publish?.(recorder.frame(state, message, state !== 'running' || sequence.step === 0));
  };
  live.ended = 'maxTokens';
  try {
    let logits = await readPrompt(live, ids, options, signal, () => publish('running'));
    for (let index = 0; index < maxTokens; index++) {
      await control.turn(signal, publish);
      if (control.stopped) {
        live.ended = 'stopped';
        break;
      }
      for (const { step, options: now } of options.changes ?? [])
        if (step === sequence.step + 1) changeRun(sequence, recorder, now);
      const id = sample(logits, sampler, random, sequence.ids);
      const logSum = logSumExp(logits);
      const logProb = logits[id]! - logSum;
      newIds.push(id);
      live.pending = id;
      const text = stream.push(id);
      onToken?.({ id, text, position: sequence.ids.length, index, logProb });
      if (model.tokenizer.ends.has(id)) live.ended = 'end token';
      else if (stops.some((stop) => stream.text.includes(stop))) live.ended = 'stop';
      if (live.ended !== 'maxTokens' || index === maxTokens - 1) break;
      const start = stage.now();
      const entropy = recorder ? entropyOf(logits, logSum) : 0;
      logits = await feedToken(sequence, id, { signal, observer: recorder });
      live.pending = undefined;
      recorder?.tokens([id], sequence.step, [logProb], [entropy]);
      recorder?.step(stage.now() - start);
      publish('running');
    }
    publish('finished', `ended: ${live.ended}`);
  } catch (error) {
    if (!signal?.aborted) {
      publish('failed', (error as Error).message);
      throw error;
    }
    live.ended = 'interrupted';
    publish('interrupted', 'the cell was interrupted; what was written is kept');
  } finally {
    control.end();
  }
}

/** Feeds a prompt and records each of its tokens. Logits after it. */
async function readPrompt(
  live: Live,
  ids: readonly number[],
  options: GenerateOptions & { guests?: readonly number[] },
  signal: AbortSignal | undefined,
  publish: () => void,
): Promise<Float32Array> {
  const { sequence, recorder, stage } = live;
  const V = sequence.model.config.vocabulary;
  const logProbs: number[] = [Number.NaN];
  const entropies: number[] = [Number.NaN];
  const onRows = (logits: Float32Array, first: number): void => {
    for (let row = 0; row < logits.length / V; row++) {
      const next = ids[first + row + 1];
      if (next === undefined) return;
      const own = logits.subarray(row * V, (row + 1) * V);
      const logSum = logSumExp(own);
      logProbs[first + row + 1] = own[next]! - logSum;
      entropies[first + row + 1] = entropyOf(own, logSum);
    }
  };
  const start = stage.now();
  let fed = 0;
  const logits = await feedPrompt(sequence, ids, {
    chunk: options.chunk ?? 128,
    guests: options.guests ?? [],
    signal,
    observer: recorder,
    ...(recorder ? { onRows } : {}),
    onChunk: (now) => {
      options.onPrompt?.(now, ids.length);
      recorder?.tokens(ids.slice(fed, now), sequence.step, logProbs.slice(fed, now), entropies.slice(fed, now));
      fed = now;
      if (now < ids.length) publish();
    },
  });
  recorder?.step(stage.now() - start);
  publish();
  return logits;
}

function runOf(live: Live): Run {
  const { sequence, recorder, stage, id } = live;
  const { model } = sequence;
  return {
    id,
    model,
    get method() {
      return sequence.method;
    },
    get text() {
      return model.tokenizer.decode(live.newIds.filter((t) => !model.tokenizer.ends.has(t)));
    },
    get ids() {
      return Uint32Array.from(live.newIds);
    },
    promptIds: live.promptIds,
    get ended() {
      return live.ended;
    },
    kept: (layer, kvHead) => keptBy(sequence, layer, kvHead),
    get tokenMeasures() {
      return sequence.tokenMeasures;
    },
    get measures() {
      return sequence.measures;
    },
    bytes: () => bytesOf(sequence),
    recorded: recorder !== undefined,
    snapshot() {
      if (!recorder) throw new Error('run: nothing was recorded; generate with record: true');
      return recorder.snapshot(live.ended === 'interrupted' ? 'interrupted' : 'finished', `ended: ${live.ended}`);
    },
    attentionRows(layer, queryHead) {
      const rows = recorder?.attentionRows(layer, queryHead);
      if (!rows)
        throw new Error(`run: rows of layer ${layer}, query head ${queryHead} were not kept; name that head in record`);
      return rows;
    },
    change: (options) => changeRun(sequence, recorder, options),
    async continue(more, options = {}) {
      checkOptions(options);
      checkChanges(sequence.method, options.changes ?? []);
      const { pending, newIds } = live;
      const fed = sequence.ids.length;
      const ids = [...(pending === undefined ? [] : [pending]), ...promptIds(model, more)];
      live.pending = undefined;
      live.newIds = [];
      sequence.turn++;
      try {
        await write(live, ids, options);
      } catch (error) {
        live.newIds = newIds;
        throw error;
      } finally {
        // Nothing was fed: the token that waits still waits.
        if (sequence.ids.length === fed) live.pending = pending;
      }
      return runOf(live);
    },
    fork() {
      const copy: Live = {
        ...live,
        sequence: forkSequence(sequence),
        newIds: [...live.newIds],
        id: stage.newId(),
        title: `${live.title} (fork)`,
      };
      copy.recorder = recorder?.fork(copy.sequence, { ...recorder.info, run: copy.id, title: copy.title });
      return runOf(copy);
    },
  };
}
