/** Inputs that are made, not found: numbers that follow from positions and from facts of the moment alone. */
import type { Moment } from './need.ts';
import type { AnyDefinition } from './operator.ts';

/** Where the queries and entries of one call stand in the text. */
export interface Placement {
  /** Key heads of this call, by their number in the layer. */
  kvHeads: readonly number[];
  /** Query heads that share a key head. */
  group: number;
  /** Absolute positions of the new queries. */
  queries: ArrayLike<number>;
  /** Absolute positions of the entries, for each key head of the call; any number where a column is empty. */
  entries: readonly ArrayLike<number>[];
}
/** The elements of an input in row-major order. */
export type Made<P> = (params: P, now: Moment, at: Placement) => ArrayLike<number>;

/** Every made input of an operator. Called before each run of its graph. */
export function madeInputs(
  { made = {} }: Pick<AnyDefinition, 'made'>,
  params: Readonly<Record<string, number | string | boolean>>,
  now: Moment,
  at: Placement,
): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(made).map(([name, make]) => [name, Float32Array.from(make(params as never, now, at))]),
  );
}

/** One number for each pair of a query head's query and an entry: [Hq, Q, T]. */
export function pairs(
  { kvHeads, group, queries, entries }: Placement,
  value: (queryHead: number, query: number, entry: number) => number,
): Float32Array {
  const [Q, T] = [queries.length, entries[0]?.length ?? 0];
  const out = new Float32Array(kvHeads.length * group * Q * T);
  let next = 0;
  kvHeads.forEach((kvHead, i) => {
    for (let member = 0; member < group; member++)
      for (let q = 0; q < Q; q++)
        for (let t = 0; t < T; t++) out[next++] = value(kvHead * group + member, queries[q]!, entries[i]![t]!);
  });
  return out;
}
