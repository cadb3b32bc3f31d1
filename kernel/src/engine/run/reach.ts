/** How far a sequence may reach: the context of the model, and the windows of methods that go by position alone. */
import { judgesBefore } from '../keep/gate.ts';
import type { Sequence } from './sequence.ts';

/** Refuses tokens whose positions the model does not know. A method that closes up positions is bound by what it holds, and one
 *  that reads what is far at one distance by its window and the `chunk` that is fed at once. */
export function checkContext(sequence: Sequence, more: number, chunk = 1): void {
  const { model, method, allocated, ids, layers } = sequence;
  const { context } = model.config;
  if (ids.length + more <= context || farthest(sequence) + chunk <= context) return;
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated && method.when.length > 0;
  const held = method.declaration.select.keys.reduce(
    (n, { zone, rule }) => n + (rule.amount ?? Math.max(...(allocated?.get(zone) ?? [Number.POSITIVE_INFINITY]))),
    0,
  );
  const holds = Math.max(0, ...layers.flatMap(({ tables }) => tables.map(({ count }) => count)));
  if (!(closesUp && (held < context || holds + more <= context)))
    throw new RangeError(
      `${model.name}: ${ids.length + more} tokens are more than its context of ${context}; shorten the prompt or use a method that closes up positions and holds less (StreamingLLM)`,
    );
}

/** Largest distance at which a stored key is seen where all that is far stands at one; Infinity where something may stand anywhere. */
function farthest({ method, allocated }: Sequence): number {
  const { select, attend } = method.declaration;
  if (!select.keys.some(({ zone }) => attend.ruleOf(zone).ownQueries)) return Number.POSITIVE_INFINITY;
  const distances = select.keys.map(({ zone, rule }) => {
    const { ownQueries, place } = attend.ruleOf(zone);
    const amount = rule.amount ?? Math.max(...(allocated?.get(zone) ?? [Number.POSITIVE_INFINITY]));
    if (!ownQueries) return rule.newest ? amount : Number.POSITIVE_INFINITY;
    const alone = { position: new Int32Array(0), rank: new Int32Array(0) };
    const zero = Int32Array.of(0);
    return place(alone, { position: zero, readBefore: 0, visibleBefore: zero }, false).queries[0]!;
  });
  return Math.max(...distances);
}

/** Entries that position rules alone decide; undefined where a score or nothing decides. Beside a gate they are those that are
 *  seen whatever it says. */
export function windowsOf({ method, allocated, layers }: Sequence): { first: number; last: number } | undefined {
  const { select } = method.declaration;
  // A method that waits for the end of the prompt lets its queries see all of it.
  const gated = judgesBefore(method);
  if (!(gated || method.when.includes('chunk')) || select.keys !== select.values) return undefined;
  if (!gated && !select.keys.every(({ rule }) => rule.byPosition)) return undefined;
  const amounts = { first: 0, last: 0 };
  for (const { zone, rule } of select.keys) {
    if (!rule.byPosition) continue;
    const list = allocated?.get(zone);
    const amount = rule.amount ?? list?.[0] ?? Number.POSITIVE_INFINITY;
    if (rule.amount === undefined && list?.some((n) => n !== amount)) return undefined;
    amounts[rule.byPosition] += amount;
  }
  return layers.length ? amounts : undefined;
}
