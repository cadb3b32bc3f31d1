/** One layer's tensors drawn from a seed, and what a method may see of them, in plain float64 loops. */
import { seeded } from '../engine/seeded.ts';

type Rows = number[][];
export interface Layer {
  /** [head][token][channel], not scaled. */
  queries: Rows[];
  keys: Rows[];
  values: Rows[];
}

export function randomLayer({ tokens = 48, queryHeads = 6, kvHeads = 3, size = 8, seed = 1 } = {}): Layer {
  const { row } = seeded(seed);
  const heads = (n: number): Rows[] =>
    Array.from({ length: n }, () =>
      Array.from({ length: tokens }, () => [...row(size)].map((v) => Math.fround(3 * v))),
    );
  return { queries: heads(queryHeads), keys: heads(kvHeads), values: heads(kvHeads) };
}

export const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
export const lengthOf = (a: readonly number[]): number => Math.sqrt(dot(a, a));
export const sum = (list: Iterable<number>): number => [...list].reduce((a, b) => a + b, 0);
export const mean = (list: readonly number[]): number => sum(list) / list.length;
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const shares = logits.map((v) => Math.exp(v - top));
  return shares.map((v) => v / sum(shares));
}

/** Query heads that share a key head. */
export function groupOf({ queries, keys }: Layer, kvHead: number): number[] {
  const size = queries.length / keys.length;
  return upTo(size).map((member) => kvHead * size + member);
}

/** Scaled products of a query with the keys that it may see. */
export function productsOf({ queries, keys }: Layer, queryHead: number, query: number): number[] {
  const row = queries[queryHead]![query]!;
  const ofHead = keys[Math.floor((queryHead * keys.length) / queries.length)]!;
  return ofHead.slice(0, query + 1).map((key) => dot(row, key) / Math.sqrt(row.length));
}

/** Causal attention [query][key] of a query head; 0 for keys to come. */
export function attentionOf(layer: Layer, queryHead: number): number[][] {
  const tokens = layer.keys[0]!.length;
  return upTo(tokens).map((query) => {
    const row = softmax(productsOf(layer, queryHead, query));
    return [...row, ...new Array<number>(tokens - row.length).fill(0)];
  });
}

/** The positions of the `n` highest scores, ascending; of equal scores the lowest position. */
export function highest(scores: readonly number[], n: number): number[] {
  const order = upTo(scores.length).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, n).sort((a, b) => a - b);
}
