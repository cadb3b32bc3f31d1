/** A sequence: the tokens that one cache has seen, and the only place where it grows.
 *
 *  A step is all or nothing: layers compute first and the cache changes after the last, so an interrupted step leaves
 *  everything as it was. */
import type { Allocated, Method } from '@kvlab/ops';
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
import type { Model } from '../model/load.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { planChunks } from './chunks.ts';

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
  layer(view: LayerView): void;
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
  readonly rotary: RotaryTable;
  readonly encoder: Encoder;
}
export interface FeedOptions {
  signal?: AbortSignal;
  observer?: StepObserver;
  /** Logits of all new rows, or of the last only. */
  rows?: 'all' | 'last';
  /** This is the end of the prompt: scores that look at its last queries run now. */
  promptEnds?: boolean;
}
export interface PromptOptions extends Omit<FeedOptions, 'rows' | 'promptEnds'> {
  /** Tokens of a chunk. */
  chunk?: number;
  /** Gets the logits [n, V] of every row of a chunk and the index of its first token; without it only the last row is computed. */
  onRows?: (logits: Float32Array, first: number) => void;
  /** Called after each chunk with the tokens fed so far. */
  onChunk?: (fed: number) => void;
}

export function createSequence(model: Model, method: Method, seed = 0): Sequence {
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
    rotary: rotaryTable(ropeFrequencies),
    encoder: createEncoder(model.runtime),
  };
}

/** A copy that goes on by itself. */
export function forkSequence(sequence: Sequence): Sequence {
  return { ...sequence, layers: sequence.layers.map(forkLayer), ids: [...sequence.ids] };
}

/** Feeds a prompt in chunks, with keep passes between and after. Logits [V] after its last token. */
export async function feedPrompt(
  sequence: Sequence,
  ids: readonly number[],
  { chunk = 128, onRows, onChunk, ...options }: PromptOptions = {},
): Promise<Float32Array> {
  const { method } = sequence;
  if (ids.length === 0) throw new Error(`${method.name}: the prompt is empty; give at least one token`);
  checkContext(sequence, ids.length);
  if (sequence.promptLength === 0) {
    sequence.promptLength = ids.length;
    const { layers, kvHeads, headSize } = sequence.model.config;
    sequence.allocated = allocateBudget(method, layers, kvHeads, headSize, ids.length);
  }
  sequence.step++;
  const windows = windowsOf(sequence);
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated;
  const room = windows && closesUp ? Math.max(1, windows.first + windows.last - sequence.ids.length) : undefined;
  const lastRows = Math.max(1, ...method.declaration.score.needs.map((n) => ('rows' in n ? (n.rows?.last ?? 1) : 1)));
  const chunks = planChunks(ids.length, chunk, lastRows, sequence.ids.length === 0 ? room : undefined);
  const V = sequence.model.config.vocabulary;
  let logits = new Float32Array(0);
  let fed = 0;
  for (const [i, length] of chunks.entries()) {
    const promptEnds = i === chunks.length - 1;
    const rows = onRows ? 'all' : 'last';
    logits = (await feed(sequence, ids.slice(fed, fed + length), {
      ...options,
      rows,
      promptEnds,
    })) as Float32Array<ArrayBuffer>;
    onRows?.(logits, fed);
    fed += length;
    await keepIfDue(sequence, promptEnds ? ['chunk', 'prompt'] : ['chunk'], options.observer);
    onChunk?.(fed);
  }
  return logits.subarray(logits.length - V);
}

/** Feeds one token of the answer. Logits [V] of the next. */
export async function feedToken(sequence: Sequence, id: number, options: FeedOptions = {}): Promise<Float32Array> {
  checkContext(sequence, 1);
  sequence.step++;
  try {
    const logits = await feed(sequence, [id], options);
    await keepIfDue(sequence, ['step'], options.observer);
    return logits;
  } catch (error) {
    sequence.step--;
    throw error;
  }
}

function checkContext({ model, method, ids }: Sequence, more: number): void {
  const { context } = model.config;
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated && method.when.length > 0;
  if (!closesUp && ids.length + more > context)
    throw new RangeError(
      `${model.name}: ${ids.length + more} tokens are more than its context of ${context}; shorten the prompt or use a method that closes up positions (StreamingLLM)`,
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

async function keepIfDue(sequence: Sequence, now: ('prompt' | 'chunk' | 'step')[], observer?: Observer): Promise<void> {
  const { method, step, ids, promptLength, seed } = sequence;
  const due = method.when.some((w) =>
    typeof w === 'object' ? now.includes('step') && step % w.every === 0 : now.includes(w),
  );
  if (due)
    await keepPass(
      method,
      sequence.layers,
      sequence.allocated!,
      { step, seen: ids.length, promptLength, seed },
      sequence.encoder,
      observer,
    );
}

/** The score operator that runs inside the attention graph in this step, if any. */
function splicedScore({ method }: Sequence, promptEnds: boolean): SplicedScore | undefined {
  const { score } = method.declaration;
  if (score.neutral || !score.operator.graph) return undefined;
  const attention = score.operator.inputs['attention'] ?? score.operator.inputs['products'];
  const always = score.operator.state !== undefined || !attention;
  if (!always && !promptEnds) return undefined;
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
  { signal, observer, rows = 'last', promptEnds = false }: FeedOptions,
): Promise<Float32Array> {
  const { model, layers } = sequence;
  const { group } = model.config;
  const Q = ids.length;
  const position = Int32Array.from({ length: Q }, (_, q) => sequence.ids.length + q);
  const sessions = attendSessions(model.runtime);
  const windows = windowsOf(sequence);
  const score = splicedScore(sequence, promptEnds);
  const commits: (() => void)[] = [];
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
    const feeds = attendFeeds(layer, form, { position, queries, keys, values, windows }, sequence.rotary);
    const attention = session.outputs.filter((name) => name.startsWith('attention'));
    const scores = session.outputs.filter((name) => name.startsWith('score.'));
    const got = await session.run(feeds, ['output', 'stored', ...scores, ...(observer ? attention : [])]);
    const data = (name: string) => got[name]!.data as Float32Array;
    const copied = Object.values(feeds).reduce((n, t) => n + t.data.byteLength, 0);
    sequence.workspaceBytes = Math.max(sequence.workspaceBytes, copied);
    x = projected.x;
    output = data('output');
    observer?.layer({ layer: l, cache: layer, form, attention: attention.map(data), queries, output, position });
    commits.push(commit(layer, form, got, { keys: data('stored'), values }, position));
  }
  signal?.throwIfAborted();
  const logits = await model.finish(x, output!, Q, rows);
  for (const apply of commits) apply();
  sequence.ids.push(...ids);
  sequence.peakBytes = Math.max(sequence.peakBytes, readLedger(sequence.method, layers).held);
  return logits;
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
