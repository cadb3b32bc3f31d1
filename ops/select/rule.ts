/** A rule fills one zone: it takes entries of one head from what earlier rules left. */

import type { GraphBuilder, Value } from '../graph/builder.ts';
import type { Segment } from '../segment/segmentation.ts';
import type { RuleInputs } from './rule-graph.ts';

/** Entries of one head that a rule may look at, in any order; index 0..count-1. */
export interface Candidates {
  count: number;
  /** 1 where the rule may take the entry: it is in `fresh`, in the rule's zone, or in a zone written above it. */
  open: Uint8Array;
  /** Absolute positions. */
  position: Int32Array;
  score: Float32Array;
  /** 1 where the entry is in the rule's zone already. */
  held: Uint8Array;
  /** Tokens that this head has been offered so far. */
  seen: number;
  /** Segments of the text, where the method cuts it. */
  segments?: readonly Segment[];
}

export interface Rule {
  readonly name: string;
  /** In words, with its amount. */
  readonly title: string;
  /** An amount of its own; undefined = the allocation of the zone's name. */
  readonly amount?: number;
  /** Reads positions only, so that queries of a chunk can be masked one by one. */
  readonly byPosition: 'first' | 'last' | false;
  /** Takes the newest entries, so that none of them is farther away than its amount. */
  readonly newest?: boolean;
  readonly needsScore: boolean;
  /** Judges each entry by itself, so that it can be asked before the others are known. */
  readonly alone?: boolean;
  /** The same in a graph, entries in time order: what it takes [Hkv, T] as 1 and 0. Absent = host rule. */
  graph?(g: GraphBuilder, candidates: RuleInputs, amount: readonly number[]): Value;
  /** Marks what it takes in `taken` (1); `amount` is in entries and may be Infinity. */
  choose(candidates: Candidates, amount: number, taken: Uint8Array): void;
}

/** A rule that can stand bare (`last`) or with an amount (`last(32)`). */
export type RuleFactory = Rule & ((amount: number) => Rule);

export function rule(definition: Omit<Rule, 'title' | 'amount'>): RuleFactory {
  const withAmount = (amount: number): Rule => ({ ...definition, title: `${definition.name} ${amount}`, amount });
  const bare = { ...definition, title: definition.name };
  const { name, ...rest } = bare;
  return Object.defineProperty(Object.assign(withAmount, rest), 'name', { value: name }) as RuleFactory;
}

/** Up to this many are left out one by one: a step of decoding brings one entry, and one leaves. */
const few = 4;

/** Marks the `amount` open candidates with the largest keys; among equal keys the lowest position stays. Linear time. */
export function takeLargest(
  { count, open, position }: Candidates,
  key: ArrayLike<number>,
  amount: number,
  taken: Uint8Array,
): void {
  if (amount <= 0) return;
  let candidates = 0;
  for (let i = 0; i < count; i++) candidates += open[i]!;
  if (candidates <= amount + few) {
    for (let i = 0; i < count; i++) if (open[i] === 1) taken[i] = 1;
    for (let n = candidates; n > amount; n--) taken[leastOf(count, taken, key, position)] = 0;
    return;
  }
  const keys = new Float64Array(candidates);
  let next = 0;
  for (let i = 0; i < count; i++) if (open[i]) keys[next++] = key[i]!;
  const threshold = nthLargest(keys, amount);
  let left = amount;
  const equal: number[] = [];
  for (let i = 0; i < count; i++) {
    if (!open[i]) continue;
    if (key[i]! > threshold) {
      taken[i] = 1;
      left--;
    } else if (key[i] === threshold) equal.push(i);
  }
  if (equal.length > left) equal.sort((a, b) => position[a]! - position[b]!);
  for (const i of equal.slice(0, left)) taken[i] = 1;
}

/** The marked entry with the smallest key; among equal keys the highest position. */
function leastOf(count: number, marked: Uint8Array, key: ArrayLike<number>, position: Int32Array): number {
  let least = -1;
  let smallest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    if (marked[i] === 0) continue;
    const k = key[i]!;
    if (k > smallest) continue;
    if (k < smallest || least < 0 || position[i]! > position[least]!) {
      least = i;
      smallest = k;
    }
  }
  return least;
}

/** The n-th largest value (n from 1), by quickselect in place. */
function nthLargest(values: Float64Array, n: number): number {
  let [low, high] = [0, values.length - 1];
  const target = n - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1]!;
    let [i, j] = [low, high];
    while (i <= j) {
      while (values[i]! > pivot) i++;
      while (values[j]! < pivot) j--;
      if (i <= j) {
        [values[i], values[j]] = [values[j]!, values[i]!];
        i++;
        j--;
      }
    }
    if (target <= j) high = j;
    else if (target >= i) low = i;
    else break;
  }
  return values[target]!;
}
