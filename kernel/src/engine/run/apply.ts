/** Applying a method to the tensors of one layer, without a model: what it scores, keeps and gives back.
 *
 *  Queries, keys and values are taken as they stand: no rotary position is applied to them, so pass rotated ones where the
 *  method scores rotated ones. All tokens enter as one prompt chunk, and the keep line runs once. */
import { type Bound, type Fitted, fromHalfBits, type Method, type Part } from '@kvlab/ops';
import { rotaryTable } from '../attend/rotary.ts';
import { append, type CacheLayer, cacheShape, createLayer, keptPositions } from '../cache/layer.ts';
import { readLedger } from '../cache/ledger.ts';
import { placeFitted, seePeaks } from '../cache/registers.ts';
import { inTimeOrder } from '../cache/table.ts';
import { noTraffic } from '../cache/traffic.ts';
import { readLayer } from '../fetch/read.ts';
import type { Reading } from '../fetch/reading.ts';
import { segmentsOf } from '../fetch/segments.ts';
import { settlePages } from '../fetch/settle.ts';
import { fittedInputs } from '../fit/inputs.ts';
import { createEncoder } from '../keep/encoder.ts';
import { columnsOfScore, keptAs, partsOf } from '../keep/parts.ts';
import { allocateBudget, keepPass } from '../keep/pass.ts';
import { type ScoreFacts, scoredByPass, scoreHeld } from '../keep/score.ts';
import { createOperate, type Operate } from '../operate/operate.ts';
import { type OperatorInput, readInput } from '../operate/value.ts';
import { byteParts } from '../record/frame.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface LayerTensors {
  /** [Hq, T, D], not scaled. */
  queries: OperatorInput;
  /** [Hkv, T, D]. */
  keys: OperatorInput;
  values: OperatorInput;
  /** [Hq, Q, T] of the last Q queries; computed from queries and keys (causal softmax) when absent. */
  attention?: OperatorInput;
  /** [T, X]. */
  hidden?: OperatorInput;
  /** Absolute positions; 0, 1, 2, ... when absent. */
  positions?: ArrayLike<number>;
  /** What the fits of the method gave for one layer; only for methods that have some. */
  fitted?: Fitted;
  seed?: number;
}
export interface Applied {
  /** Positions that each KV head keeps, in time order. */
  kept: Uint32Array[];
  /** Positions that the last query reads, in time order: what is kept, or the part of it that is fetched. */
  read: Uint32Array[];
  /** Rows as that query reads them, [read, D] for each KV head. */
  keysRead: Float32Array[];
  valuesRead: Float32Array[];
  /** Score of every token for each KV head in time order; empty where the method scores nothing. */
  scores: Float32Array[];
  /** Live bytes, and their parts. */
  bytes: number;
  parts: Record<(typeof byteParts)[number], number>;
}

export async function apply(method: Method, tensors: LayerTensors, runtime: Runtime): Promise<Applied> {
  const read = (name: 'queries' | 'keys' | 'values') => readInput('apply', name, tensors[name]);
  const [queries, keys, values] = [read('queries'), read('keys'), read('values')];
  const [Hkv, T, D] = keys.dims as [number, number, number];
  const [Hq] = queries.dims as [number];
  const show = (dims: readonly number[]) => `[${dims.join(', ')}]`;
  if (keys.dims.length !== 3 || values.dims.join() !== keys.dims.join())
    throw new TypeError(`apply: keys are ${show(keys.dims)} and values ${show(values.dims)}; both are [Hkv, T, D]`);
  if (queries.dims.length !== 3 || queries.dims[1] !== T || queries.dims[2] !== D || Hq % Hkv)
    throw new TypeError(
      `apply: queries are ${show(queries.dims)} beside keys ${show(keys.dims)}; give [Hq, T, D] with Hq a multiple of Hkv`,
    );
  const positions = Int32Array.from(tensors.positions ?? Array.from({ length: T }, (_, t) => t));
  if (positions.length !== T)
    throw new TypeError(`apply: there are ${positions.length} positions for ${T} tokens; give one for each`);

  const { score } = method.declaration;
  const layer = createLayer(cacheShape(method, Hkv, D, columnsOfScore(score)));
  placeFitted(layer, 0, tensors.fitted);
  seePeaks(layer, Float32Array.from(queries.data), (query) => query);
  append(layer, { keys: Float32Array.from(keys.data), values: Float32Array.from(values.data) }, positions);
  const operate = createOperate(runtime);
  const encoder = createEncoder(runtime);
  try {
    const sizes = { Hq, Hkv, G: Hq / Hkv, D };
    const now = { step: 0, seen: T, promptLength: T, seed: tensors.seed ?? 0 };
    const looking = partsOf(score).filter((part) => !scoredByPass(part.score));
    if (looking.length) {
      const given = tensors.attention ? { attention: readInput('apply', 'attention', tensors.attention) } : {};
      const seenBy = given.attention?.dims ?? [Hq, T, T];
      if (seenBy.length !== 3 || seenBy[0] !== Hq || seenBy[1]! > T || seenBy[2] !== T)
        throw new TypeError(`apply: attention is ${show(seenBy)} beside keys ${show(keys.dims)}; give [${Hq}, Q, ${T}] of the last Q queries`); // biome-ignore format: one line
      const looked = { ...look(queries.data, keys.data, sizes, T), ...given };
      const outputs = mixed(looked.attention, values, sizes);
      const seen = { queries, keys, values, hidden: tensors.hidden, ...looked, outputs };
      for (const { part, score: own } of looking) {
        const inputs = { ...seen, ...fittedInputs(own, tensors.fitted, 0) };
        await scoreOnce(own, part, layer, inputs, operate, sizes, now);
      }
    }
    const facts: ScoreFacts = {
      operate,
      // The keep pass expects queries with the model's factor 1/sqrt(D) in them.
      queries: () => ({ data: Float32Array.from(queries.data, (v) => v / Math.sqrt(D)), rows: T }),
      nll: [],
      turnsAgo: () => 0,
      group: sizes.G,
      frequencies: new Float64Array(D / 2),
    };
    await scoreHeld(score, layer, 0, facts, now);
    const scores = () =>
      layer.tables.map((table) =>
        Float32Array.from(inTimeOrder(table), (e) => table.columns.get('score')?.[e] ?? Number.NaN),
      );
    const before = scores();
    // The whole prompt came in one chunk, which is its last one.
    const line = method.phases.findLast(({ when }) => when.includes('prompt') || when.includes('chunk')) ?? method;
    await keepPass(line, [layer], allocateBudget(line, 1, Hkv, D, T, tensors.fitted), { ...now, facts }, encoder);
    const { cache } = await lastReading(method, layer, queries.data, sizes, T, operate);
    const ledger = readLedger(method, [layer]);
    const part = (i: number) => ledger.zones.filter((_, at) => at % byteParts.length === i).reduce((a, b) => a + b, 0);
    return {
      kept: layer.tables.map((_, h) => Uint32Array.from(keptPositions(layer, h))),
      read: cache.tables.map((_, h) => Uint32Array.from(keptPositions(cache, h))),
      keysRead: await readBack(cache, 'keys', encoder),
      valuesRead: await readBack(cache, 'values', encoder),
      scores: score.neutral ? [] : before,
      bytes: ledger.held,
      parts: Object.fromEntries(byteParts.map((name, i) => [name, part(i)])) as Applied['parts'],
    };
  } finally {
    await encoder.release();
  }
}

/** What the last query reads of a layer that stands behind those which read everything. */
async function lastReading(
  method: Method,
  layer: CacheLayer,
  queries: Float64Array,
  { Hq, G, D }: { Hq: number; G: number; D: number },
  T: number,
  operate: Operate,
): Promise<Reading> {
  const last = Math.max(-1, ...layer.tables.map(({ count, position }) => Math.max(-1, ...position.subarray(0, count))));
  const segments = segmentsOf(method, last + 1);
  // Rows are taken as they stand: positions turn nothing.
  const rotary = rotaryTable(new Float64Array(D / 2));
  const traffic = noTraffic();
  const file = () => Promise.reject(new Error(`apply: ${method.name} would write to a file; leave disk out here`));
  await settlePages([layer], { segments, traffic, operate, rotary, file });
  const own = new Float32Array(Hq * D);
  for (let head = 0; head < Hq; head++)
    for (let d = 0; d < D; d++) own[head * D + d] = queries[(head * T + T - 1) * D + d]! / Math.sqrt(D);
  const request = { layers: 1, kvHeads: Hq / G, promptLength: T, bytesPerEntry: 8 * D, zones: [], reserved: 0 };
  const { reading } = await readLayer(layer, {
    method: method.name,
    layer: Math.max(0, ...layer.pages.map(({ fetch }) => fetch.fromLayer)),
    step: 0,
    queries: own,
    position: Int32Array.of(last),
    group: G,
    inPrompt: false,
    most: new Map(layer.pages.map(({ zone, fetch }) => [zone, fetch.entries(request)])),
    segments,
    traffic,
    operate,
    rotary,
    file,
  });
  return reading;
}

/** Causal attention and products [Hq, T, T] in float64. */
function look(
  queries: Float64Array,
  keys: Float64Array,
  { Hq, Hkv, D }: { Hq: number; Hkv: number; D: number },
  T: number,
) {
  const dims = [Hq, T, T];
  const products = new Float32Array(Hq * T * T).fill(-1e30);
  const attention = new Float32Array(Hq * T * T);
  for (let h = 0; h < Hq; h++)
    for (let q = 0; q < T; q++) {
      const kv = Math.floor(h / (Hq / Hkv));
      const row: number[] = [];
      for (let t = 0; t <= q; t++) {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += queries[(h * T + q) * D + d]! * keys[(kv * T + t) * D + d]!;
        row.push(dot / Math.sqrt(D));
      }
      const top = Math.max(...row);
      const sum = row.reduce((n, x) => n + Math.exp(x - top), 0);
      for (const [t, x] of row.entries()) {
        products[(h * T + q) * T + t] = x;
        attention[(h * T + q) * T + t] = Math.exp(x - top) / sum;
      }
    }
  return { attention: { dims, data: attention }, products: { dims, data: products } };
}

/** What attention [Hq, Q, T] makes of values [Hkv, T, D]: [Hq, Q, D]. */
function mixed(
  { dims, data }: { readonly dims: readonly number[]; readonly data: ArrayLike<number> },
  values: { readonly data: ArrayLike<number> },
  { Hq, G, D }: { Hq: number; G: number; D: number },
): { dims: number[]; data: Float32Array } {
  const [, Q, T] = dims as [number, number, number];
  const out = new Float32Array(Hq * Q * D);
  for (let h = 0; h < Hq; h++)
    for (let q = 0; q < Q; q++)
      for (let t = 0; t < T; t++) {
        const share = data[(h * Q + q) * T + t]!;
        const from = (Math.floor(h / G) * T + t) * D;
        if (share) for (let d = 0; d < D; d++) out[(h * Q + q) * D + d]! += share * values.data[from + d]!;
      }
  return { dims: [Hq, Q, D], data: out };
}

/** Runs a score that looks at attention once over the whole text, and writes its columns. */
async function scoreOnce(
  score: Bound,
  part: string,
  layer: CacheLayer,
  seen: Record<string, OperatorInput | undefined>,
  operate: Operate,
  sizes: { Hq: number; Hkv: number; G: number; D: number },
  now: { step: number; seen: number; promptLength: number; seed: number },
): Promise<void> {
  const { operator } = score;
  const last = score.needs.find((n) => 'rows' in n && n.rows?.last);
  const rows = last && 'rows' in last ? last.rows?.last : undefined;
  const inputs: Record<string, OperatorInput> = {};
  for (const name of Object.keys(operator.inputs)) {
    if (operator.made?.[name]) continue;
    const value = seen[name];
    if (value === undefined)
      throw new Error(`apply: ${operator.name} needs ${name}; pass it beside queries, keys and values`);
    inputs[name] =
      (name === 'attention' || name === 'products') && rows
        ? lastRows(value as { dims: number[]; data: ArrayLike<number> }, rows)
        : value;
  }
  const results = await operate(score, inputs, undefined, { sizes, now });
  for (const [name, result] of Object.entries(results))
    for (const [h, table] of layer.tables.entries())
      table.columns.get(keptAs(part, name))?.set(Array.from(result.data).slice(h * table.count, (h + 1) * table.count));
}

/** The last rows of [Hq, Q, T]. */
function lastRows({ dims, data }: { dims: readonly number[]; data: ArrayLike<number> }, rows: number): OperatorInput {
  const [H, Q, T] = dims as [number, number, number];
  const kept = Math.min(rows, Q);
  const out = new Float32Array(H * kept * T);
  for (let h = 0; h < H; h++) out.set(Array.from(data).slice((h * Q + Q - kept) * T, (h + 1) * Q * T), h * kept * T);
  return { dims: [H, kept, T], data: out };
}

/** What each head would read, in time order: exact rows as they lie, encoded ones through their graph. */
async function readBack(
  layer: CacheLayer,
  part: Part,
  encoder: ReturnType<typeof createEncoder>,
): Promise<Float32Array[]> {
  const D = layer.shape.headSize;
  const out: Float32Array[] = [];
  for (const [h, table] of layer.tables.entries()) {
    const rows = new Float32Array(table.count * D);
    const restored = await Promise.all(
      layer.stores[part].map((store) => (store.codes.has('rows') ? undefined : encoder.restore(store, h))),
    );
    for (const [t, e] of inTimeOrder(table).entries()) {
      const index = table.store[part][e]!;
      const from = table.slot[part][e]! * D;
      const stored = layer.stores[part][index]!.codes.get('rows')?.[h] ?? restored[index]!;
      const row = stored.subarray(from, from + D);
      rows.set(row instanceof Uint16Array ? Float32Array.from(row, fromHalfBits) : row, t * D);
    }
    out.push(rows);
  }
  return out;
}
