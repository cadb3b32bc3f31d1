/** Merging: what leaves is taken in by entries of the same head that stay, before it goes. */
import type { Bound, Merging } from '@kvlab/ops';
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

/** Changes the rows that stay, and says what became of each leaving entry (missing: it is lost). Rows that stay must be
 *  stored exactly. `registers` of the layer keep what the operator remembers, one number a head. */
export async function mergeLeaving(
  { compensate, score }: { compensate: Merging; score: Bound },
  { layer, layerIndex, kvHead, entries }: Leaving,
  registers: Map<string, Float32Array>,
  operate: Operate | undefined,
  observer: Observer | undefined,
): Promise<Map<number, Taken>> {
  const table = layer.tables[kvHead]!;
  const { headSize: D, kvHeads } = layer.shape;
  const gone = new Set(entries);
  const order = inTimeOrder(table);
  const [leaving, staying] = [order.filter((e) => gone.has(e)), order.filter((e) => !gone.has(e))];
  if (leaving.length === 0 || staying.length === 0) return new Map();
  const states = Object.entries(compensate.operator.state ?? {}).map(([name, { start = 0 }]) => {
    // A copy: a fork shares what was there before.
    const known = registers.get(`compensate.${name}`)?.slice() ?? new Float32Array(kvHeads).fill(start);
    registers.set(`compensate.${name}`, known);
    return [name, known] as const;
  });
  const inputs = {
    keys: headRows(layer, kvHead, 'keys', staying),
    values: headRows(layer, kvHead, 'values', staying),
    leavingKeys: headRows(layer, kvHead, 'keys', leaving),
    leavingValues: headRows(layer, kvHead, 'values', leaving),
    ...Object.fromEntries(states.map(([name, known]) => [name, { dims: [1], data: known.slice(kvHead, kvHead + 1) }])),
  };
  const result = await compensated(compensate, inputs, { headSize: D, layerIndex }, operate);
  for (const [name, known] of states) known[kvHead] = Number(result[name]!.data[0]);
  const into = Array.from(result['into']!.data, Number);
  const merged = { keys: result['mergedKeys']!.data, values: result['mergedValues']!.data };
  for (const t of new Set(into.filter((at) => at >= 0))) {
    const entry = staying[t]!;
    for (const part of parts) {
      const row = Float32Array.from(merged[part].slice(t * D, (t + 1) * D) as ArrayLike<number>);
      writeExact(layer.stores[part][table.store[part][entry]!]!, kvHead, table.slot[part][entry]!, row);
      observer?.merged?.({ layer: layerIndex, kvHead, part, position: table.position[entry]!, row });
    }
  }
  const taker = into.map((t) => (t < 0 ? -1 : staying[t]!));
  followMerges(table, score, leaving, taker);
  const share = result['share']!.data;
  const taken = (n: number): Taken => ({ into: table.position[taker[n]!]!, weight: Number(share[n]) });
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
