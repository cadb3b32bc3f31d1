/** A sequence: the tokens that one cache has seen, and the only place where it grows.
 *
 *  A step is all or nothing: layers compute first and the cache changes after the last, so an interrupted step leaves
 *  everything as it was. */
import type { Allocated, Bound, Fitted, Method } from '@kvlab/ops';
import { attendFeeds } from '../attend/feeds.ts';
import { type Form, formOf, readsHidden } from '../attend/form.ts';
import { type RotaryTable, rotaryTable, rotateRow } from '../attend/rotary.ts';
import { attendSessions } from '../attend/sessions.ts';
import { addMeasures, type Measured } from '../attend/taken.ts';
import { type CacheLayer, cacheShape, createLayer, forkLayer } from '../cache/layer.ts';
import { heldBytes } from '../cache/ledger.ts';
import { placeFitted, seePeaks } from '../cache/registers.ts';
import type { LinkModels } from '../cache/traffic.ts';
import type { LayerRead } from '../fetch/read.ts';
import { type Encoder, encoderOf } from '../keep/encoder.ts';
import { judge, judgesBefore } from '../keep/gate.ts';
import type { Observer } from '../keep/observer.ts';
import { columnsOfScore } from '../keep/parts.ts';
import { allocateBudget } from '../keep/pass.ts';
import { recalledRows } from '../keep/recall.ts';
import { splicedScores } from '../keep/spliced.ts';
import type { Model } from '../model/load.ts';
import { type Operate, operateOf } from '../operate/operate.ts';
import { forgetFrom, keepAndRunAgain } from './again.ts';
import { planChunks } from './chunks.ts';
import { commit, joinTail, surprise, type Tail } from './commit.ts';
import { dueLine, type Occasion } from './due.ts';
import { measuring } from './measure.ts';
import { checkContext, windowsOf } from './reach.ts';
import { beginReads, beginStep, copyReads, createReads, type Reads, readOf, settleReads } from './reads.ts';

/** What a recorder sees of a layer before the cache changes. */
export interface LayerView {
  layer: number;
  /** What the step reads of the layer: all of it, or what was fetched. */
  cache: CacheLayer;
  /** What was chosen, and the whole layer. */
  read: LayerRead;
  whole: CacheLayer;
  form: Form;
  /** Softmax rows of each block: [Hkv, G*Q, C], or one [1, G*Q, C] a head. */
  attention: Float32Array[];
  /** [Hkv, G*Q, D] not rotated. */
  queries: Float32Array;
  output: Float32Array;
  position: Int32Array;
  /** [Hkv, Q, D] not rotated. */
  keys: Float32Array;
  values: Float32Array;
  /** Normed input of the projection [Q, X], and logits as `attention` is cut, where the observer wants them. */
  hidden?: Float32Array;
  products?: Float32Array[];
}
export interface StepObserver extends Observer {
  wants?: { hidden?: boolean; products?: boolean };
  /** Wants attention rows; without it they stay in the runtime. */
  layer(view: LayerView): void | Promise<void>;
}

export interface Sequence {
  readonly model: Model;
  readonly method: Method;
  layers: CacheLayer[];
  /** Ids fed so far. */
  ids: number[];
  /** Their text, kept where the method cuts the text into segments, and the segments that had ended when it last looked. */
  pieces: string[];
  endedSegments: number;
  /** Length of the first prompt; shares are shares of it. */
  promptLength: number;
  allocated: Allocated | undefined;
  /** The same for each further keep line of the method, and whether amounts changed since the last keep pass. */
  allocatedLater: readonly Allocated[];
  amountsChanged: boolean;
  step: number;
  /** Largest sum of what one layer's run copied into the runtime, in bytes. */
  workspaceBytes: number;
  /** Most bytes that the cache held, inside steps too. */
  peakBytes: number;
  readonly seed: number;
  readonly fitted: Fitted | undefined;
  readonly rotary: RotaryTable;
  readonly encoder: Encoder;
  readonly operate: Operate;
  /** Minus ln of the probability that each fed token had, by position; kept only for methods that need logits. */
  nll: number[];
  /** Turn in which each token was fed; a turn ends when the caller adds more text. */
  turns: number[];
  turn: number;
  /** Last logits row, from which the next token's surprise follows. */
  lastLogits: Float32Array | undefined;
  /** Last raw queries of each layer, for scores that look at them. */
  tails: (Tail | undefined)[];
  /** States of scores that belong to no entry, by layer. */
  registers: Map<string, Float32Array>[];
  /** What each measure said of each token of the answer. */
  tokenMeasures: Map<string, number[]>;
  /** What the attend slot counted on its query rows so far. */
  measures: Map<string, Measured>;
  /** Pages and tiers. */
  reads: Reads;
}
export interface FeedOptions {
  signal?: AbortSignal;
  observer?: StepObserver;
  /** Logits of all new rows, or of the last only. */
  rows?: 'all' | 'last' | 'none';
  /** A score whose queries are kept, instead of the method's own. */
  tail?: Bound;
  /** A keep pass follows: scores without a memory of their own run now. */
  due?: boolean;
  /** The tokens belong to a prompt. */
  inPrompt?: boolean;
}
export interface PromptOptions extends Omit<FeedOptions, 'rows' | 'due' | 'tail'> {
  /** Tokens of a chunk. */
  chunk?: number;
  /** Tokens behind the prompt that scores may look at and that leave when it ends; the last prompt token is then fed again. */
  guests?: readonly number[];
  /** Gets the logits [n, V] of every row of a chunk and the index of its first token; without it only the last row is computed. */
  onRows?: (logits: Float32Array, first: number) => void;
  /** Called after each chunk with the tokens fed so far. */
  onChunk?: (fed: number) => void;
}

/** An empty cache for a method. `fitted` is what its fits gave on this model. */
export function createSequence(model: Model, method: Method, seed = 0, fitted?: Fitted, links?: LinkModels): Sequence {
  const { layers, kvHeads, headSize, ropeFrequencies } = model.config;
  const shape = cacheShape(method, kvHeads, headSize, columnsOfScore(method.declaration.score), layers);
  return {
    model,
    method,
    layers: Array.from({ length: layers }, (_, l) => {
      const layer = createLayer(shape);
      placeFitted(layer, l, fitted);
      return layer;
    }),
    ids: [],
    pieces: [],
    endedSegments: 0,
    promptLength: 0,
    allocated: undefined,
    allocatedLater: [],
    amountsChanged: false,
    step: -1,
    workspaceBytes: 0,
    peakBytes: 0,
    seed,
    fitted,
    rotary: rotaryTable(ropeFrequencies),
    encoder: encoderOf(model.runtime),
    operate: operateOf(model.runtime),
    nll: [],
    turns: [],
    turn: 0,
    lastLogits: undefined,
    tails: [],
    registers: Array.from({ length: layers }, () => new Map()),
    tokenMeasures: new Map(),
    measures: new Map(),
    reads: createReads(links),
  };
}

/** A copy that goes on by itself. */
export function forkSequence(sequence: Sequence): Sequence {
  return {
    ...sequence,
    layers: sequence.layers.map(forkLayer),
    ids: [...sequence.ids],
    pieces: [...sequence.pieces],
    nll: [...sequence.nll],
    turns: [...sequence.turns],
    tails: [...sequence.tails],
    registers: sequence.registers.map((own) => new Map(own)),
    tokenMeasures: new Map(sequence.tokenMeasures),
    measures: new Map([...sequence.measures].map(([name, counted]) => [name, { ...counted }])),
    reads: copyReads(sequence.reads),
  };
}

/** Feeds a prompt in chunks, with keep passes between and after. Logits [V] after its last token. */
export async function feedPrompt(
  sequence: Sequence,
  ids: readonly number[],
  { chunk = 128, guests = [], onRows, onChunk, ...options }: PromptOptions = {},
): Promise<Float32Array> {
  const { method } = sequence;
  if (ids.length === 0) throw new Error(`${method.name}: the prompt is empty; give at least one token`);
  if (sequence.promptLength === 0) {
    sequence.promptLength = ids.length;
    const { layers, kvHeads, headSize } = sequence.model.config;
    const allocate = (line: Method) => allocateBudget(line, layers, kvHeads, headSize, ids.length, sequence.fitted);
    sequence.allocated = allocate(method);
    sequence.allocatedLater = method.phases.map(allocate);
  }
  checkContext(sequence, ids.length, chunk);
  sequence.step++;
  beginStep(sequence);
  const windows = windowsOf(sequence);
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated;
  const room = windows && closesUp ? Math.max(1, windows.first + windows.last - sequence.ids.length) : undefined;
  const lastRows = Math.max(
    1,
    ...method.declaration.score.needs.map((n) =>
      n.of === 'attention' || n.of === 'products' ? (n.rows?.last ?? 1) : 1,
    ),
  );
  const all = [...ids, ...guests];
  const chunks = planChunks(all.length, chunk, lastRows, sequence.ids.length === 0 ? room : undefined);
  const V = sequence.model.config.vocabulary;
  const last = sequence.ids.length + ids.length - 1;
  let logits = new Float32Array(0);
  let fed = 0;
  for (const [i, length] of chunks.entries()) {
    const occasions: readonly Occasion[] = i === chunks.length - 1 ? ['chunk', 'prompt'] : ['chunk'];
    const due = dueLine(sequence, occasions) !== undefined;
    const rows = onRows ? 'all' : 'last';
    const some = all.slice(fed, fed + length);
    logits = (await feed(sequence, some, { ...options, rows, due, inPrompt: true })) as Float32Array<ArrayBuffer>;
    onRows?.(logits, fed);
    fed += length;
    if (guests.length && i === chunks.length - 1) forgetFrom(sequence, last);
    logits = (await keepAndRunAgain(sequence, occasions, options.observer)) ?? logits;
    await settleReads(sequence);
    onChunk?.(Math.min(fed, ids.length));
  }
  if (guests.length)
    logits = (await feed(sequence, ids.slice(-1), { ...options, rows: 'last' })) as Float32Array<ArrayBuffer>;
  return logits.subarray(logits.length - V);
}

/** Feeds tokens through the layers of the sequence only, keeping the last query that `score` looks at; no logits. */
export async function feedThrough(
  sequence: Sequence,
  ids: readonly number[],
  score: Bound,
  signal?: AbortSignal,
): Promise<void> {
  checkContext(sequence, ids.length);
  let fed = 0;
  for (const length of planChunks(ids.length, 128)) {
    await feed(sequence, ids.slice(fed, fed + length), { signal, rows: 'none', tail: score });
    fed += length;
  }
}

/** Feeds one token of the answer. Logits [V] of the next. */
export async function feedToken(sequence: Sequence, id: number, options: FeedOptions = {}): Promise<Float32Array> {
  checkContext(sequence, 1);
  sequence.step++;
  try {
    beginStep(sequence);
    const { observer, done } = measuring(sequence, options.observer);
    const logits = await feed(sequence, [id], { ...options, observer, due: dueLine(sequence, ['step']) !== undefined });
    await done(id);
    const again = await keepAndRunAgain(sequence, ['step'], options.observer);
    await settleReads(sequence);
    return again ?? logits;
  } catch (error) {
    sequence.step--;
    throw error;
  }
}

const utf8 = new TextDecoder();

const eventLoop = (): Promise<void> =>
  new Promise((resolve) => (typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve, 0)));

/** Frees memory at once: rows of a long prompt would wait for the collector while the next layer makes as many again. */
function letGo({ buffer }: Float32Array): void {
  (buffer as ArrayBuffer & { transfer?(bytes: number): ArrayBuffer }).transfer?.(0);
}

/** Runs new tokens through all layers and then adds them to the cache. Logits [1, V] or [Q, V]. */
export async function feed(
  sequence: Sequence,
  ids: readonly number[],
  { signal, observer, rows = 'last', due = false, inPrompt = false, tail }: FeedOptions,
): Promise<Float32Array> {
  const { model, layers } = sequence;
  const { group } = model.config;
  const Q = ids.length;
  const position = Int32Array.from({ length: Q }, (_, q) => sequence.ids.length + q);
  const sessions = attendSessions(model.runtime);
  const windows = windowsOf(sequence);
  const recalled = recalledRows(sequence.method);
  const scores = splicedScores(sequence.method, due && (inPrompt || !recalled));
  const judged = judgesBefore(sequence.method);
  const { hidden = judged, products = false } = observer?.wants ?? {};
  const commits: (() => void)[] = [];
  const { score, watch = [] } = sequence.method.declaration;
  const needs = [tail ?? score, ...watch].flatMap((bound) => bound.needs);
  const tailRows = Math.max(recalled, ...needs.map((n) => (n.of === 'queries' ? (n.rows?.last ?? 1) : 0)));
  const wantsLogits = needs.some((n) => n.of === 'logits');
  const moment = {
    step: sequence.step,
    seen: sequence.ids.length,
    promptLength: sequence.promptLength,
    seed: sequence.seed,
  };
  beginReads(sequence, position);
  let x = model.embed(Int32Array.from(ids));
  let output: Float32Array | undefined;
  for (const [l, layer] of layers.entries()) {
    await eventLoop();
    signal?.throwIfAborted();
    const projected = await model.project(l, x, output, Q, { hidden: hidden || judged || scores.some(readsHidden) });
    const gate = judged
      ? await judge(sequence.method, layer, l, projected, position, model.config, sequence)
      : undefined;
    const { queries, keys, values } = projected;
    const read = await readOf(sequence, l, layer, { queries, position, inPrompt });
    const { cache } = read.reading;
    const form = formOf(cache, {
      device: model.runtime.device,
      group,
      perQuery: windows !== undefined && Q > 1,
      gated: judged && Q > 1,
      products,
      scores,
    });
    const session = await sessions.open(form);
    const feeds = attendFeeds(
      cache,
      form,
      {
        position,
        queries,
        keys,
        values,
        windows,
        passed: gate?.passed,
        fitted: sequence.fitted,
        registers: sequence.registers[l],
        hidden: projected.hidden,
        now: { ...moment, layer: l },
      },
      sequence.rotary,
    );
    const attention = session.outputs.filter((name) => name.startsWith('attention'));
    const logits = session.outputs.filter((name) => name.startsWith('products'));
    if (observer && attention.length === 0)
      throw new Error(`${sequence.method.name}: its attend slot gives no attention rows to look at; run it with record: false`); // biome-ignore format: one line
    const scored = session.outputs.filter((name) => /^(score|measure)\./.test(name));
    const got = await session.run(feeds, [
      'output',
      'stored',
      ...scored,
      ...(observer ? [...attention, ...logits] : []),
    ]);
    const data = (name: string) => got[name]!.data as Float32Array;
    const copied = Object.values(feeds).reduce((n, t) => n + t.data.byteLength, 0);
    sequence.workspaceBytes = Math.max(sequence.workspaceBytes, copied);
    x = projected.x;
    output = data('output');
    if (observer) {
      const seen = { attention: attention.map(data), products: logits.map(data), hidden: projected.hidden };
      await observer.layer({
        layer: l,
        cache,
        read,
        whole: layer,
        form,
        queries,
        keys,
        values,
        output,
        position,
        ...seen,
      });
      for (const block of [...seen.attention, ...seen.products]) letGo(block);
    }
    const stored = { keys: data('stored'), values };
    commits.push(commit(layer, read.reading, form, got, stored, position, sequence.registers[l]!), read.commit);
    if (gate)
      commits.push(() => {
        for (const [h, { count, columns }] of layer.tables.entries())
          columns.get('score')!.set(gate.scores[h]!, count - Q);
      });
    commits.push(() => addMeasures(sequence.measures, got));
    commits.push(() => seePeaks(layer, queries, (q, row) => rotateRow(q, position[row % Q]!, sequence.rotary)));
    if (tailRows)
      commits.push(
        () => (sequence.tails[l] = joinTail(sequence.tails[l], { data: queries, rows: Q }, tailRows, model.config)),
      );
  }
  signal?.throwIfAborted();
  const logits = rows === 'none' ? new Float32Array(0) : await model.finish(x, output!, Q, wantsLogits ? 'all' : rows);
  for (const apply of commits) apply();
  if (wantsLogits) surprise(sequence, ids, logits);
  sequence.ids.push(...ids);
  if (sequence.method.declaration.segment)
    sequence.pieces.push(...ids.map((id) => utf8.decode(model.tokenizer.bytes(id))));
  for (const _ of ids) sequence.turns.push(sequence.turn);
  sequence.peakBytes = Math.max(sequence.peakBytes, heldBytes(layers));
  return rows === 'last' ? logits.subarray(logits.length - model.config.vocabulary) : logits;
}
