/** Merging: what leaves is taken in by entries of the same head that stay, before it goes. */
import type { Bound, Merging, Part } from '@kvlab/ops';
import { type CacheLayer, parts, writeExact } from '../cache/layer.ts';
import { inTimeOrder, type Table } from '../cache/table.ts';
import type { Operate } from '../operate/operate.ts';
import { compensated, headRows } from './compensation.ts';
import type { Observer } from './observer.ts';

export interface Leaving {
  layer: CacheLayer;
  layerIndex: number;
  kvHead: number;
  entries: number[];
}

export const merges = (compensate: Bound): compensate is Merging => 'merges' in compensate;

/** Into which position an entry went, and with which factor its rows are part of the mixed ones. */
export interface Taken {
  into: number;
  weight: number;
}

/** A head with the entries that leave it and those that stay, in time order. */
interface Parted {
  kvHead: number;
  leaving: Int32Array;
  staying: Int32Array;
}

/** Changes the rows that stay in these heads of one layer, and says for each head what became of its leaving entries (missing:
 *  lost). Rows that stay must be stored exactly. `registers` of the layer keep what the operator remembers, one number a head. */
export async function mergeLeaving(
  { compensate, score }: { compensate: Merging; score: Bound },
  heads: readonly Leaving[],
  registers: Map<string, Float32Array>,
  operate: Operate | undefined,
  observer: Observer | undefined,
): Promise<Map<number, Taken>[]> {
  const { layer, layerIndex } = heads[0]!;
  const { headSize: D, kvHeads } = layer.shape;
  const states = Object.entries(compensate.operator.state ?? {}).map(([name, { start = 0 }]) => {
    // A copy: a fork shares what was there before.
    const known = registers.get(`compensate.${name}`)?.slice() ?? new Float32Array(kvHeads).fill(start);
    registers.set(`compensate.${name}`, known);
    return [name, known] as const;
  });
  const found = new Map<number, Map<number, Taken>>();
  for (const alike of ofEqualLength(heads)) {
    const rows = (part: Part, of: 'leaving' | 'staying') =>
      headRows(layer, part, alike.map((one) => ({ kvHead: one.kvHead, entries: one[of] }))); // biome-ignore format: one line
    const inputs = {
      keys: rows('keys', 'staying'),
      values: rows('values', 'staying'),
      leavingKeys: rows('keys', 'leaving'),
      leavingValues: rows('values', 'leaving'),
      ...Object.fromEntries(
        states.map(([name, known]) => {
          const data = Float32Array.from(alike, ({ kvHead }) => known[kvHead]!);
          return [name, { dims: [alike.length], data }];
        }),
      ),
    };
    const result = await compensated(compensate, inputs, { heads: alike.length, headSize: D, layerIndex }, operate);
    for (const [i, head] of alike.entries()) {
      for (const [name, known] of states) known[head.kvHead] = result[name]!.data[i]!;
      found.set(head.kvHead, carryOut(head, heads[0]!, i, result, score, observer));
    }
  }
  return heads.map(({ kvHead }) => found.get(kvHead) ?? new Map());
}

/** Heads that hold and lose as many entries as one another: the operator mixes them in one call. */
function ofEqualLength(heads: readonly Leaving[]): Parted[][] {
  const groups = new Map<string, Parted[]>();
  for (const { layer, kvHead, entries } of heads) {
    const gone = new Set(entries);
    const order = inTimeOrder(layer.tables[kvHead]!);
    const [leaving, staying] = [order.filter((e) => gone.has(e)), order.filter((e) => !gone.has(e))];
    if (leaving.length === 0 || staying.length === 0) continue;
    const key = `${leaving.length} ${staying.length}`;
    groups.set(key, [...(groups.get(key) ?? []), { kvHead, leaving, staying }]);
  }
  return [...groups.values()];
}

/** Writes the mixed rows of head `i` of a call into the cache. */
function carryOut(
  { kvHead, leaving, staying }: Parted,
  { layer, layerIndex }: Leaving,
  i: number,
  result: Awaited<ReturnType<typeof compensated>>,
  score: Bound,
  observer: Observer | undefined,
): Map<number, Taken> {
  const table = layer.tables[kvHead]!;
  const D = layer.shape.headSize;
  const [N, T] = [leaving.length, staying.length];
  const into = Array.from(result['into']!.data.subarray(i * N, (i + 1) * N), Number);
  const merged = { keys: result['mergedKeys']!.data, values: result['mergedValues']!.data };
  for (const t of new Set(into.filter((at) => at >= 0))) {
    const entry = staying[t]!;
    for (const part of parts) {
      const row = Float32Array.from(merged[part].subarray((i * T + t) * D, (i * T + t + 1) * D));
      writeExact(layer.stores[part][table.store[part][entry]!]!, kvHead, table.slot[part][entry]!, row);
      observer?.merged?.({ layer: layerIndex, kvHead, part, position: table.position[entry]!, row });
    }
  }
  const taker = into.map((t) => (t < 0 ? -1 : staying[t]!));
  followMerges(table, score, leaving, taker);
  const share = result['share']!.data;
  const taken = (n: number): Taken => ({ into: table.position[taker[n]!]!, weight: share[i * N + n]! });
  return new Map([...leaving].flatMap((e, n) => (taker[n]! < 0 ? [] : [[e, taken(n)] as const])));
}

/** Columns of the score that add up when entries merge: the one that takes in gets what the other had. */
function followMerges({ columns }: Table, { operator }: Bound, leaving: Int32Array, into: readonly number[]): void {
  for (const [name, { merge = 'keep' }] of Object.entries(operator.state ?? {})) {
    const column = columns.get(name);
    if (!column || merge === 'keep') continue;
    leaving.forEach((e, n) => {
      const to = into[n]!;
      if (to >= 0) column[to] = merge === 'sum' ? column[to]! + column[e]! : Math.max(column[to]!, column[e]!);
    });
  }
}
