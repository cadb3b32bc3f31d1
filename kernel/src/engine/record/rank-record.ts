/** Which tokens have received most attention, now and then: the order of a few, so that a change of ranks can be seen later. */
import { rankCount } from './frame.ts';

/** Steps between two records. */
export const rankEvery = 16;

/** The positions with the highest scores of each head, the best first and the earlier of equals first, [heads, 24]; -1 where a
 *  head has no more. `scores` is [heads, T]. */
export function leadingPositions(scores: Float32Array, heads: number): Int32Array {
  const T = scores.length / heads;
  const out = new Int32Array(heads * rankCount).fill(-1);
  for (let head = 0; head < heads; head++) {
    const row = scores.subarray(head * T, (head + 1) * T);
    const best = out.subarray(head * rankCount, (head + 1) * rankCount);
    let count = 0;
    for (let position = 0; position < T; position++) {
      const score = row[position]!;
      if (!(score > 0) || (count === rankCount && score <= row[best[count - 1]!]!)) continue;
      let at = count < rankCount ? count++ : count - 1;
      while (at > 0 && row[best[at - 1]!]! < score) {
        best[at] = best[at - 1]!;
        at--;
      }
      best[at] = position;
    }
  }
  return out;
}
