/** A sequence: the tokens that one cache has seen, and the only place where it grows.
 *
 *  A step is all or nothing: layers compute first and the cache changes after the last, so an interrupted step leaves
 *  everything as it was. */
import type { Allocated, Fitted, Method } from '@kvlab/ops';
import { attendFeeds, columnsOf, timeOrder } from '../attend/feeds.ts';
import { type Form, formOf, type SplicedScore } from '../attend/form.ts';
import { port } from '../attend/graph.ts';
import { type RotaryTable, rotaryTable } from '../attend/rotary.ts';
import { attendSessions } from '../attend/sessions.ts';
import { append, type CacheLayer, cacheShape, createLayer, forkLayer } from '../cache/layer.ts';
import { readLedger } from '../cache/ledger.ts';
import { createEncoder, type Encoder } from '../keep/encoder.ts';
import type { Observer } from '../keep/observer.ts';
import { allocateBudget, keepPass } from '../keep/pass.ts';
import { scoredByPass } from '../keep/score.ts';
import type { Model } from '../model/load.ts';
import { createOperate, type Operate } from '../operate/operate.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { planChunks } from './chunks.ts';
import { logSumExp } from './sampler.ts';

/** What a recorder sees of a layer before the cache changes. */
export interface LayerView {
  layer: number;
  cache: CacheLayer;
  form: Form;
  /** Softmax rows of each block: [Hkv, G*Q, C], or one [1, G*Q, C] a head. */
  attention: Float32Array[];
  /** [Hkv, G*Q, D] not rotated. */
  queries: Float32Array;
  output: Float32Array;
  position: Int32Array;
}
export interface StepObserver extends Observer {
  /** Wants attention rows; without it they stay in the runtime. */
  layer(view: LayerView): void | Promise<void>;
}

export interface Sequence {
  readonly model: Model;
  readonly method: Method;
  layers: CacheLayer[];
  /** Ids fed so far. */
  ids: number[];
  /** Length of the first prompt; shares are shares of it. */
  promptLength: number;
  allocated: Allocated | undefined;
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
}
/** Raw queries [Hkv, G*rows, D]. */
interface Tail {
  data: Float32Array;
  rows: number;
}
export interface FeedOptions {
  signal?: AbortSignal;
  observer?: StepObserver;
  /** Logits of all new rows, or of the last only. */
  rows?: 'all' | 'last';
  /** A keep pass follows: scores without a memory of their own run now. */
  due?: boolean;
}
export interface PromptOptions extends Omit<FeedOptions, 'rows' | 'due'> {
  /** Tokens of a chunk. */
  chunk?: number;
  /** Gets the logits [n, V] of every row of a chunk and the index of its first token; without it only the last row is computed. */
  onRows?: (logits: Float32Array, first: number) => void;
  /** Called after each chunk with the tokens fed so far. */
  onChunk?: (fed: number) => void;
}

/** An empty cache for a method. `fitted` is what its fits gave on this model. */
export function createSequence(model: Model, method: Method, seed = 0, fitted?: Fitted): Sequence {
  const { layers, kvHeads, headSize, ropeFrequencies } = model.config;
  const { score } = method.declaration;
  const columns = new Set(Object.keys(score.operator.state ?? {}));
  if (!score.neutral) columns.add('score');
  const shape = cacheShape(method, kvHeads, headSize, [...columns]);
  return {
    model,
    method,
    layers: Array.from({ length: layers }, () => createLayer(shape)),
    ids: [],
    promptLength: 0,
    allocated: undefined,
    step: -1,
    workspaceBytes: 0,
    peakBytes: 0,
    seed,
    fitted,
    rotary: rotaryTable(ropeFrequencies),
    encoder: createEncoder(model.runtime),
    operate: createOperate(model.runtime),
    nll: [],
    turns: [],
    turn: 0,
    lastLogits: undefined,
    tails: [],
  };
}

/** A copy that goes on by itself. */
export function forkSequence(sequence: Sequence): Sequence {
  return {
    ...sequence,
    layers: sequence.layers.map(forkLayer),
    ids: [...sequence.ids],
    nll: [...sequence.nll],
    turns: [...sequence.turns],
    tails: [...sequence.tails],
  };
}

/** Feeds a prompt in chunks, with keep passes between and after. Logits [V] after its last token. */
export async function feedPrompt(
  sequence: Sequence,
  ids: readonly number[],
  { chunk = 128, onRows, onChunk, ...options }: PromptOptions = {},
): Promise<Float32Array> {
  const { method } = sequence;
  if (ids.length === 0) throw new Error(`${method.name}: the prompt is empty; give at least one token`);
  if (sequence.promptLength === 0) {
    sequence.promptLength = ids.length;
    const { layers, kvHeads, headSize } = sequence.model.config;
    sequence.allocated = allocateBudget(method, layers, kvHeads, headSize, ids.length, sequence.fitted);
  }
  checkContext(sequence, ids.length);
  sequence.step++;
  const windows = windowsOf(sequence);
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated;
  const room = windows && closesUp ? Math.max(1, windows.first + windows.last - sequence.ids.length) : undefined;
  const lastRows = Math.max(
    1,
    ...method.declaration.score.needs.map((n) =>
      n.of === 'attention' || n.of === 'products' ? (n.rows?.last ?? 1) : 1,
    ),
  );
  const chunks = planChunks(ids.length, chunk, lastRows, sequence.ids.length === 0 ? room : undefined);
  const V = sequence.model.config.vocabulary;
  let logits = new Float32Array(0);
  let fed = 0;
  for (const [i, length] of chunks.entries()) {
    const occasions: readonly Occasion[] = i === chunks.length - 1 ? ['chunk', 'prompt'] : ['chunk'];
    const due = isDue(sequence, occasions);
    const rows = onRows ? 'all' : 'last';
    const some = ids.slice(fed, fed + length);
    logits = (await feed(sequence, some, { ...options, rows, due })) as Float32Array<ArrayBuffer>;
    onRows?.(logits, fed);
    fed += length;
    await keepIfDue(sequence, occasions, options.observer);
    onChunk?.(fed);
  }
  return logits.subarray(logits.length - V);
}

/** Feeds one token of the answer. Logits [V] of the next. */
export async function feedToken(sequence: Sequence, id: number, options: FeedOptions = {}): Promise<Float32Array> {
  checkContext(sequence, 1);
  sequence.step++;
  try {
    const logits = await feed(sequence, [id], { ...options, due: isDue(sequence, ['step']) });
    await keepIfDue(sequence, ['step'], options.observer);
    return logits;
  } catch (error) {
    sequence.step--;
    throw error;
  }
}

/** Refuses tokens whose positions the model does not know; a method that closes up positions is bound by what it holds. */
function checkContext({ model, method, allocated, ids }: Sequence, more: number): void {
  const { context } = model.config;
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated && method.when.length > 0;
  const held = method.declaration.select.keys.reduce(
    (n, { zone, rule }) => n + (rule.amount ?? Math.max(...(allocated?.get(zone) ?? [Number.POSITIVE_INFINITY]))),
    0,
  );
  if (!(closesUp && held < context) && ids.length + more > context)
    throw new RangeError(
      `${model.name}: ${ids.length + more} tokens are more than its context of ${context}; shorten the prompt or use a method that closes up positions and holds less (StreamingLLM)`,
    );
}

/** Entries that position rules alone decide; undefined where a score or nothing decides. */
function windowsOf({ method, allocated, layers }: Sequence): { first: number; last: number } | undefined {
  const { select } = method.declaration;
  if (!method.when.length || select.keys !== select.values || !select.keys.every(({ rule }) => rule.byPosition))
    return undefined;
  const amounts = { first: 0, last: 0 };
  for (const { zone, rule } of select.keys) {
    const list = allocated?.get(zone);
    const amount = rule.amount ?? list?.[0] ?? Number.POSITIVE_INFINITY;
    if (rule.amount === undefined && list?.some((n) => n !== amount)) return undefined;
    if (rule.byPosition) amounts[rule.byPosition] += amount;
  }
  return layers.length ? amounts : undefined;
}

type Occasion = 'prompt' | 'chunk' | 'step';

function isDue({ method, step }: Sequence, now: readonly Occasion[]): boolean {
  return method.when.some((w) =>
    typeof w === 'object' ? now.includes('step') && step % w.every === 0 : now.includes(w),
  );
}

async function keepIfDue(sequence: Sequence, occasions: readonly Occasion[], observer?: Observer): Promise<void> {
  if (!isDue(sequence, occasions)) return;
  const { method, step, ids, promptLength, seed, operate, tails, nll, turns, turn } = sequence;
  const { group, ropeFrequencies } = sequence.model.config;
  const facts = {
    operate,
    queries: (layer: number) => tails[layer],
    nll,
    turnsAgo: (position: number) => turn - (turns[position] ?? turn),
    group,
    frequencies: ropeFrequencies,
  };
  const now = { step, seen: ids.length, promptLength, seed, facts };
  await keepPass(method, sequence.layers, sequence.allocated!, now, sequence.encoder, observer);
}

/** The score operator that runs inside the attention graph in this step, if any. */
function splicedScore({ method }: Sequence, due: boolean): SplicedScore | undefined {
  const { score } = method.declaration;
  if (score.neutral || scoredByPass(score)) return undefined;
  const attention = score.operator.inputs['attention'] ?? score.operator.inputs['products'];
  const always = score.operator.state !== undefined || !attention;
  if (!always && !due) return undefined;
  const rows = score.needs.find((n) => 'rows' in n && n.rows?.last);
  return {
    score,
    lastRows: rows && 'rows' in rows ? rows.rows?.last : undefined,
    ordered: attention?.ordered ?? false,
  };
}

const eventLoop = (): Promise<void> =>
  new Promise((resolve) => (typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve, 0)));

/** Runs new tokens through all layers and then adds them to the cache. Logits [1, V] or [Q, V]. */
async function feed(
  sequence: Sequence,
  ids: readonly number[],
  { signal, observer, rows = 'last', due = false }: FeedOptions,
): Promise<Float32Array> {
  const { model, layers } = sequence;
  const { group } = model.config;
  const Q = ids.length;
  const position = Int32Array.from({ length: Q }, (_, q) => sequence.ids.length + q);
  const sessions = attendSessions(model.runtime);
  const windows = windowsOf(sequence);
  const score = splicedScore(sequence, due);
  const commits: (() => void)[] = [];
  const { needs } = sequence.method.declaration.score;
  const tailRows = Math.max(0, ...needs.map((n) => (n.of === 'queries' ? (n.rows?.last ?? 1) : 0)));
  const wantsLogits = needs.some((n) => n.of === 'logits');
  const moment = {
    step: sequence.step,
    seen: sequence.ids.length,
    promptLength: sequence.promptLength,
    seed: sequence.seed,
  };
  let x = model.embed(Int32Array.from(ids));
  let output: Float32Array | undefined;
  for (const [l, layer] of layers.entries()) {
    await eventLoop();
    signal?.throwIfAborted();
    const projected = await model.project(l, x, output, Q);
    const form = formOf(layer, {
      device: model.runtime.device,
      group,
      perQuery: windows !== undefined && Q > 1,
      score,
    });
    const session = await sessions.open(form);
    const { queries, keys, values } = projected;
    const feeds = attendFeeds(
      layer,
      form,
      { position, queries, keys, values, windows, now: { ...moment, layer: l } },
      sequence.rotary,
    );
    const attention = session.outputs.filter((name) => name.startsWith('attention'));
    const scores = session.outputs.filter((name) => name.startsWith('score.'));
    const got = await session.run(feeds, ['output', 'stored', ...scores, ...(observer ? attention : [])]);
    const data = (name: string) => got[name]!.data as Float32Array;
    const copied = Object.values(feeds).reduce((n, t) => n + t.data.byteLength, 0);
    sequence.workspaceBytes = Math.max(sequence.workspaceBytes, copied);
    x = projected.x;
    output = data('output');
    await observer?.layer({ layer: l, cache: layer, form, attention: attention.map(data), queries, output, position });
    commits.push(commit(layer, form, got, { keys: data('stored'), values }, position));
    if (tailRows)
      commits.push(
        () => (sequence.tails[l] = joinTail(sequence.tails[l], { data: queries, rows: Q }, tailRows, model.config)),
      );
  }
  signal?.throwIfAborted();
  const logits = await model.finish(x, output!, Q, wantsLogits ? 'all' : rows);
  for (const apply of commits) apply();
  if (wantsLogits) surprise(sequence, ids, logits);
  sequence.ids.push(...ids);
  for (const _ of ids) sequence.turns.push(sequence.turn);
  sequence.peakBytes = Math.max(sequence.peakBytes, readLedger(sequence.method, layers).held);
  return rows === 'last' ? logits.subarray(logits.length - model.config.vocabulary) : logits;
}

/** Notes how surprising each new token was: minus ln of the probability that the row before it gave. */
function surprise(sequence: Sequence, ids: readonly number[], logits: Float32Array): void {
  const V = sequence.model.config.vocabulary;
  for (const [i, id] of ids.entries()) {
    const before = i === 0 ? sequence.lastLogits : logits.subarray((i - 1) * V, i * V);
    sequence.nll.push(before ? logSumExp(before) - before[id]! : 0);
  }
  sequence.lastLogits = logits.slice(logits.length - V);
}

/** The last `most` rows of queries, old ones first. */
function joinTail(old: Tail | undefined, added: Tail, most: number, { queryHeads, headSize }: Model['config']): Tail {
  const rows = Math.min(most, (old?.rows ?? 0) + added.rows);
  const data = new Float32Array(queryHeads * rows * headSize);
  for (let head = 0; head < queryHeads; head++)
    for (const [from, skip] of [
      [old, rows - added.rows],
      [added, rows],
    ] as const) {
      if (!from || skip <= 0) continue;
      const take = Math.min(from.rows, from === added ? rows : skip);
      const source = from.data.subarray(((head + 1) * from.rows - take) * headSize, (head + 1) * from.rows * headSize);
      data.set(source, (head * rows + (from === added ? rows - take : 0)) * headSize);
    }
  return { data, rows };
}

/** What a layer's run changes in its cache; called once all layers have run. */
function commit(
  layer: CacheLayer,
  form: Form,
  got: Record<string, Tensor>,
  rows: { keys: Float32Array; values: Float32Array },
  position: Int32Array,
): () => void {
  const Q = position.length;
  return () => {
    const written: (() => void)[] = [];
    const names = new Set(
      Object.keys(got)
        .filter((n) => n.startsWith('score.'))
        .map((n) => n.slice('score.'.length).split('@')[0]!),
    );
    for (const name of names)
      layer.tables.forEach((table, h) => {
        const tensor = got[port(`score.${name}`, form.apart ? h : undefined)]!;
        const width = tensor.dims[1]!;
        const row = (tensor.data as Float32Array).subarray(
          (form.apart ? 0 : h) * width,
          ((form.apart ? 0 : h) + 1) * width,
        );
        const result = form.score!.score.operator.outputs[name] ?? form.score!.score.operator.state![name]!;
        const { start, fresh } = columnsOf(layer, form, h, Q);
        const count = table.count;
        if (result.dims[1] === 'Q') written.push(() => table.columns.get(name)!.set(row, count));
        else if (form.score!.ordered) {
          const order = timeOrder(layer, form, h, Q);
          const byColumn = new Map(Array.from(order, (column, i) => [column, row[width - order.length + i]!]));
          for (let e = 0; e < count; e++)
            table.columns.get(name)![e] = byColumn.get(start[table.store.keys[e]!]! + table.slot.keys[e]!)!;
          written.push(() => {
            for (let q = 0; q < Q; q++) table.columns.get(name)![count + q] = byColumn.get(fresh + q)!;
          });
        } else {
          const column = table.columns.get(name)!;
          for (let e = 0; e < count; e++) column[e] = row[start[table.store.keys[e]!]! + table.slot.keys[e]!]!;
          written.push(() => table.columns.get(name)!.set(row.subarray(fresh, fresh + Q), count));
        }
      });
    append(layer, rows, position);
    for (const write of written) write();
  };
}
