/** A count of live buffers made outside the ledger: every typed array that can be reached, each buffer once. */

/** Buffers behind all typed arrays that are reachable from a value through objects, arrays, maps and sets. */
export function liveBuffers(root: unknown): Set<ArrayBufferLike> {
  const seen = new Set<unknown>();
  const buffers = new Set<ArrayBufferLike>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (ArrayBuffer.isView(value)) buffers.add(value.buffer);
    else if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) buffers.add(value);
    else if (value instanceof Map) for (const pair of value) for (const item of pair) walk(item);
    else if (value instanceof Set) for (const item of value) walk(item);
    else for (const key of Reflect.ownKeys(value)) walk((value as Record<PropertyKey, unknown>)[key]);
  };
  walk(root);
  return buffers;
}

export const liveBytes = (root: unknown): number =>
  [...liveBuffers(root)].reduce((sum, { byteLength }) => sum + byteLength, 0);

/** True when some buffer holds this run of numbers as f32, wherever it begins. */
export function holdsRow(root: unknown, row: Float32Array): boolean {
  for (const buffer of liveBuffers(root)) {
    if (buffer.byteLength % 4) continue;
    const numbers = new Float32Array(buffer);
    for (let at = 0; at + row.length <= numbers.length; at++) {
      let same = 0;
      while (same < row.length && numbers[at + same] === row[same]) same++;
      if (same === row.length) return true;
    }
  }
  return false;
}
