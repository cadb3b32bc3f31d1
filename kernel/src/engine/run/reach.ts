/** How far a sequence may reach: the context of the model, and the windows of methods that go by position alone. */
import { judgesBefore } from '../keep/gate.ts';
import type { Sequence } from './sequence.ts';

/** Refuses tokens whose positions the model does not know; a method that closes up positions is bound by what it holds. */
export function checkContext({ model, method, allocated, ids, layers }: Sequence, more: number): void {
  const { context } = model.config;
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated && method.when.length > 0;
  const held = method.declaration.select.keys.reduce(
    (n, { zone, rule }) => n + (rule.amount ?? Math.max(...(allocated?.get(zone) ?? [Number.POSITIVE_INFINITY]))),
    0,
  );
  const holds = Math.max(0, ...layers.flatMap(({ tables }) => tables.map(({ count }) => count)));
  if (!(closesUp && (held < context || holds + more <= context)) && ids.length + more > context)
    throw new RangeError(
      `${model.name}: ${ids.length + more} tokens are more than its context of ${context}; shorten the prompt or use a method that closes up positions and holds less (StreamingLLM)`,
    );
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
