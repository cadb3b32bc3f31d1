/** Scores that are computed in the keep pass, from what is held: keys, values, positions, surprise, and the last queries. */
import { type Bound, fromHalfBits, type Moment, madeInputs, type Sizes, scoredIn, tensor } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import { inTimeOrder, type Table } from '../cache/table.ts';
import type { Operate } from '../operate/operate.ts';
import { blended, keptAs, partsOf } from './parts.ts';

/** What a score may read beside the cache. */
export interface ScoreFacts {
  operate: Operate;
  /** Last raw queries of a layer, [Hkv, G*n, D] with n rows for each query head. */
  queries(layer: number): { data: Float32Array; rows: number } | undefined;
  /** Minus ln of the probability that the model gave each token, by position. */
  nll: ArrayLike<number>;
  /** Turns that ended since each token was fed, by position. */
  turnsAgo(position: number): number;
  group: number;
  frequencies: ArrayLike<number>;
}

/** True where the keep pass has to compute the score itself. */
export const scoredByPass = (score: Bound): boolean =>
  !score.neutral && (scoredIn(score.operator) === 'keep pass' || !score.operator.graph);

/** Computes a column of every head of a layer: the parts of a score first. Throws where a score is not a number, naming
 *  layer and head. */
export async function scoreHeld(
  score: Bound,
  layer: CacheLayer,
  layerIndex: number,
  facts: ScoreFacts | undefined,
  now: Omit<Moment, 'sizes' | 'layer'>,
  into = 'score',
): Promise<void> {
  if (!scoredByPass(score)) return;
  const parts = blended(score);
  if (parts)
    for (const { part, score: own } of partsOf(score))
      await scoreHeld(own, layer, layerIndex, facts, now, keptAs(part, 'score'));
  const { tables, shape } = layer;
  const equal = tables.every((table) => table.count === tables[0]!.count);
  // Heads of equal length are scored together; others one by one, since padding would enter means and maxima.
  const calls = equal ? [tables.map((_, h) => h)] : tables.map((_, h) => [h]);
  for (const heads of calls) {
    const T = tables[heads[0]!]!.count;
    if (T === 0) continue;
    const orders = heads.map((h) => inTimeOrder(tables[h]!));
    const group = facts?.group ?? 1;
    const sizes = { Hkv: heads.length, Hq: heads.length * group, G: group, D: shape.headSize };
    const inputs = Object.fromEntries(
      Object.keys(score.operator.inputs)
        .filter((name) => !score.operator.made?.[name])
        .map((name) => [
          name,
          parts
            ? readPart(name, parts, layer, heads, orders)
            : readScoreInput(name, layer, layerIndex, heads, orders, facts),
        ]),
    );
    const layerOrHead = equal ? layerIndex : layerIndex * 256 + heads[0]!;
    const moment = { ...now, layer: layerOrHead, frequencies: facts?.frequencies };
    const result = await compute(score, inputs, sizes, moment, facts);
    heads.forEach((h, i) => {
      const column = tables[h]!.columns.get(into)!;
      orders[i]!.forEach((entry, t) => {
        const value = Number(result.data[i * T + t]);
        checkScore(score, value, layerIndex, h, tables[h]!.position[entry]!);
        column[entry] = value;
      });
    });
  }
}

/** Throws where a score is not a number: it must never select silently. */
export function checkScore({ operator }: Bound, value: number, layer: number, kvHead: number, position: number): void {
  if (Number.isNaN(value))
    throw new Error(
      `${operator.name}: the score of layer ${layer}, KV head ${kvHead} at position ${position} is not a number; look at its inputs with lab.apply`,
    );
}

type Input = { dims: readonly number[]; data: Float32Array };

/** Through its graph, or as its reference where it has none. */
async function compute(
  score: Bound,
  inputs: Record<string, Input>,
  sizes: Sizes,
  now: Omit<Moment, 'sizes'>,
  facts: ScoreFacts | undefined,
): Promise<{ data: ArrayLike<number> }> {
  const { operator, params } = score;
  if (facts && operator.graph) return (await facts.operate(score, inputs, undefined, { sizes, now })).score!;
  const T = Object.values(inputs)[0]?.dims[1] ?? 0;
  const at = { kvHeads: [], group: 1, queries: [], entries: [Array.from({ length: T }, (_, t) => t)] };
  const made = madeInputs(operator, params, { ...now, sizes }, at);
  const tensors = [
    ...Object.entries(inputs).map(([name, { dims, data }]) => [name, tensor(dims, data)]),
    ...Object.entries(made).map(([name, data]) => [
      name,
      tensor(
        operator.inputs[name]!.dims.map((d) => (typeof d === 'number' ? d : (sizes[d] ?? T))),
        data,
      ),
    ]),
  ];
  return operator.reference(Object.fromEntries(tensors), params as never, { ...now, sizes }).score!;
}

/** The scores that are blended [N, H, T], entries of each head in the given order, or their weights [N, 1, 1]. */
function readPart(
  name: string,
  { columns, weights }: NonNullable<ReturnType<typeof blended>>,
  layer: CacheLayer,
  heads: readonly number[],
  orders: readonly Int32Array[],
): Input {
  if (name === 'weights') return { dims: [weights.length, 1, 1], data: Float32Array.from(weights) };
  const rows = columns.flatMap((column) =>
    heads.flatMap((h, i) => Array.from(orders[i]!, (e) => layer.tables[h]!.columns.get(column)![e]!)),
  );
  return { dims: [columns.length, heads.length, orders[0]!.length], data: Float32Array.from(rows) };
}

/** One input of a score, entries of each head in the given order. */
export function readScoreInput(
  name: string,
  layer: CacheLayer,
  layerIndex: number,
  heads: readonly number[],
  orders: readonly Int32Array[],
  facts: ScoreFacts | undefined,
): Input {
  const { headSize: D } = layer.shape;
  const T = orders[0]!.length;
  const each = (value: (table: Table, entry: number) => number) => ({
    dims: [heads.length, T],
    data: Float32Array.from(heads.flatMap((h, i) => Array.from(orders[i]!, (e) => value(layer.tables[h]!, e)))),
  });
  if (name === 'position') return each((table, e) => table.position[e]!);
  if (name === 'nll') return each((table, e) => facts?.nll[table.position[e]!] ?? 0);
  if (name === 'turnsAgo') return each((table, e) => facts?.turnsAgo(table.position[e]!) ?? 0);
  if (name === 'keys' || name === 'values') {
    const data = new Float32Array(heads.length * T * D);
    for (const [i, h] of heads.entries())
      for (const [t, entry] of orders[i]!.entries())
        readRow(layer, h, name, entry, data.subarray((i * T + t) * D, (i * T + t + 1) * D));
    return { dims: [heads.length, T, D], data };
  }
  if (name === 'queries' && facts) {
    const last = facts.queries(layerIndex);
    if (!last)
      throw new Error(
        `score: queries of layer ${layerIndex} were not kept; declare needs: [{ of: 'queries', rows: { last: n } }]`,
      );
    const width = facts.group * last.rows * D;
    const data = new Float32Array(heads.length * width);
    heads.forEach((h, i) => {
      data.set(last.data.subarray(h * width, (h + 1) * width), i * width);
    });
    // The model's queries carry 1/sqrt(D); papers and operators speak of them without.
    const scale = Math.sqrt(D);
    return { dims: [heads.length * facts.group, last.rows, D], data: data.map((v) => v * scale) };
  }
  throw new Error(
    `score: there is no input ${name} in the keep pass; there is position, keys, values, queries, nll, turnsAgo`,
  );
}

/** One stored row as f32; only exact stores can be read here. */
export function readRow(
  layer: CacheLayer,
  kvHead: number,
  part: 'keys' | 'values',
  entry: number,
  out: Float32Array,
): void {
  const table = layer.tables[kvHead]!;
  const store = layer.stores[part][table.store[part][entry]!]!;
  const rows = store.codes.get('rows')?.[kvHead];
  if (!rows)
    throw new Error(`score: ${part} in ${store.encoding.name} cannot be scored; score before they are quantized`);
  const from = table.slot[part][entry]! * out.length;
  if (rows instanceof Uint16Array) for (let d = 0; d < out.length; d++) out[d] = fromHalfBits(rows[from + d]!);
  else out.set(rows.subarray(from, from + out.length));
}
