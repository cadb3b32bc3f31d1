/** The tail of a sequence: its last raw queries, for scores that look at them. */
import type { Model } from '../model/load.ts';

/** Raw queries [Hkv, G*rows, D]. */
export interface Tail {
  data: Float32Array;
  rows: number;
}

/** The last `most` rows of queries, old ones first. */
export function joinTail(
  old: Tail | undefined,
  added: Tail,
  most: number,
  { queryHeads, headSize }: Model['config'],
): Tail {
  const rows = Math.min(most, (old?.rows ?? 0) + added.rows);
  const data = new Float32Array(queryHeads * rows * headSize);
  for (let head = 0; head < queryHeads; head++)
    for (const [from, skip] of [
      [old, rows - added.rows],
      [added, rows],
    ] as const) {
      if (!from || skip <= 0) continue;
      const take = Math.min(from.rows, from === added ? rows : skip);
      const source = from.data.subarray(((head + 1) * from.rows - take) * headSize, (head + 1) * from.rows * headSize);
      data.set(source, (head * rows + (from === added ? rows - take : 0)) * headSize);
    }
  return { data, rows };
}
