/** Cuts a prompt into chunks, so that peak memory is bounded and methods that evict between chunks really save it. */

/** Lengths of the chunks of `length` tokens. The last one holds at least `lastRows` (a score needs those queries together);
 *  the first is no longer than `firstAtMost` (windows read at closed-up positions must not overflow inside it). */
export function planChunks(
  length: number,
  chunk: number,
  lastRows = 1,
  firstAtMost = Number.POSITIVE_INFINITY,
): number[] {
  const out: number[] = [];
  let left = length;
  const first = Math.min(chunk, firstAtMost, left);
  if (first < Math.min(chunk, left)) {
    out.push(first);
    left -= first;
  }
  const tail = Math.min(left, Math.max(lastRows, left % chunk || Math.min(chunk, left)));
  left -= tail;
  while (left > 0) {
    const next = Math.min(chunk, left);
    out.push(next);
    left -= next;
  }
  if (tail > 0) out.push(tail);
  return out;
}
