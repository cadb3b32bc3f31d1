/** The rotary turn that a query at one of the next positions has on average, as a matrix behind a row: x' = x R [D, D]. */

/** Pairs are (2i, 2i + 1); pair i turns by `frequencies[i]` radians a position, base 10,000 unless given. */
export function meanRotation(
  from: number,
  count: number,
  headSize: number,
  frequencies?: ArrayLike<number>,
): Float64Array {
  const out = new Float64Array(headSize * headSize);
  for (let i = 0; i < headSize / 2; i++) {
    const frequency = frequencies?.[i] ?? 10000 ** ((-2 * i) / headSize);
    let [cos, sin] = [0, 0];
    for (let p = from; p < from + count; p++) {
      cos += Math.cos(p * frequency) / count;
      sin += Math.sin(p * frequency) / count;
    }
    const [a, b] = [2 * i, 2 * i + 1];
    out[a * headSize + a] = cos;
    out[a * headSize + b] = sin;
    out[b * headSize + a] = -sin;
    out[b * headSize + b] = cos;
  }
  return out;
}
