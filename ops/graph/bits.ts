/** Packs small whole numbers into bytes and back with arithmetic that every device has (no shifts).
 *
 *  A width that is no power of two is a sum of planes: 3 bits are a plane of 2 and one of 1. Inside a plane the order is
 *  planar: byte j of an axis of n numbers holds the numbers j, j + n/per, j + 2n/per, ..., lowest bits first. */
import type { GraphBuilder, Value } from './builder.ts';

/** Bits of each plane, widest first. */
export const planesOf = (bits: number): number[] => [8, 4, 2, 1].filter((plane) => bits & plane);

/** codes [..., n, rest] (f32 whole numbers) -> one u8 value for each plane, [..., n * plane / 8, rest]; axis `at` is packed. */
export function packBits(g: GraphBuilder, codes: Value, at: number, n: number, bits: number): Value[] {
  let left = codes;
  return planesOf(bits).map((plane) => {
    const base = 2 ** plane;
    const above = g.floor(g.div(left, base)); // what later planes take
    const low = g.sub(left, g.mul(above, base));
    left = above;
    const per = 8 / plane;
    const split = g.reshape(low, [...low.dims.slice(0, at), per, n / per, ...low.dims.slice(at + 1)]);
    const weights = g.constant(
      'f32',
      Array.from({ length: per }, (_, i) => base ** i),
      [per, ...low.dims.slice(at).map(() => 1)],
    );
    return g.cast(g.reduceSum(g.mul(split, weights), at), 'u8');
  });
}

/** The inverse of `packBits`: planes [..., n * plane / 8, rest] u8 -> codes [..., n, rest] f32. */
export function unpackBits(g: GraphBuilder, planes: readonly Value[], at: number, n: number, bits: number): Value {
  let scale = 1;
  let sum: Value | undefined;
  planesOf(bits).forEach((plane, p) => {
    const per = 8 / plane;
    let left = g.cast(planes[p]!, 'f32');
    const parts: Value[] = [];
    for (let i = 0; i < per - 1; i++) {
      const above = g.floor(g.mul(left, 1 / 2 ** plane));
      parts.push(g.sub(left, g.mul(above, 2 ** plane)));
      left = above;
    }
    const whole = g.concat([...parts, left], at, n);
    const scaled = scale === 1 ? whole : g.mul(whole, scale);
    sum = sum ? g.add(sum, scaled) : scaled;
    scale *= 2 ** plane;
  });
  return sum!;
}
