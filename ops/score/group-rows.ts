/** Attention rows of each key head: the mean over the query heads of its group. */
import type { GraphBuilder, Value } from '../graph/builder.ts';

/** [Hq, Q, T] -> [Hkv, Q, T]. Slices and sums, since a reshape cannot leave both Q and T open. */
export function groupRows(g: GraphBuilder, rows: Value): Value {
  const G = g.sizes.G!;
  const members = Array.from({ length: G }, (_, m) => g.slice(rows, 'Hq', m, 2 ** 31, 'Hkv', G)); // [Hkv, Q, T] each
  return G === 1
    ? members[0]!
    : g.div(
        members.reduce((a, b) => g.add(a, b)),
        G,
      );
}

/** A query sees an entry if it gives it more than this: devices take smaller numbers for 0, each its own way. */
export const leastSeen = 1e-30;
