/** What graphs of rules share: candidates as tensors, and the choice of the largest. */
import type { GraphBuilder, Value } from '../graph/builder.ts';

/** Entries of all heads in time order. */
export interface RuleInputs {
  /** 1 where the rule may take the entry, and where it is in the rule's zone already [Hkv, T]. */
  open: Value;
  held: Value;
  /** Absolute positions [1, T] as f32. */
  position: Value;
  /** [Hkv, T]. */
  score: Value;
  /** Tokens that were offered so far, i64 [1]. */
  seen: Value;
}

const many = 2 ** 31;
const whole = (n: number): number => Math.min(Math.floor(n), many);

/** An amount for each head: f32 [Hkv, 1], i64 [Hkv]. */
export const eachHeads = (g: GraphBuilder, amount: readonly number[]): Value =>
  g.constant('f32', amount.map(whole), [amount.length, 1]);
export const wholes = (g: GraphBuilder, amount: readonly number[]): Value =>
  g.constant('i64', amount.map(whole), [amount.length]);

/** 1 for the `amount[h]` open entries of each head with the largest keys; of equal ones the earlier stays. */
export function largest(g: GraphBuilder, open: Value, key: Value, amount: Value): Value {
  const closed = -3e38;
  const length = g.slice(g.shape(open), 0, 1, 2, 1); // i64 [1]
  const keys = g.where(g.greater(open, 0), key, closed); // [Hkv, T]
  const heads = g.sizes.Hkv!;
  const rows = Array.from({ length: heads }, (_, h) => {
    const own = { ...g.slice(keys, 0, h, h + 1, 1), dims: [1, 'T'] };
    const k = g.min(g.slice(amount, 0, h, h + 1, 1), length);
    const { indices } = g.topK(own, k, 1, 'k');
    const one = g.cast(g.greater(g.gatherElements(own, indices, 1), closed), 'f32'); // [1, k]
    return g.scatterElements(g.mul(own, 0), indices, one, 1);
  });
  return { ...g.concat(rows, 0, heads), dims: open.dims };
}
