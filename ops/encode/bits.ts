/** Packs small whole numbers into bytes and back: with masks where the device has them, else with arithmetic.
 *
 *  A width that is no power of two is a sum of planes: 3 bits are a plane of 2 and one of 1. Inside a plane the order is
 *  planar: byte j of an axis of n numbers holds the numbers j, j + n/per, j + 2n/per, ..., lowest bits first. */
import type { GraphBuilder, Value } from '../graph/builder.ts';

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
    const numbers = g.concat(numbersOf(g, planes[p]!, plane, scale), at, n);
    sum = sum ? g.add(sum, numbers) : numbers;
    scale *= 2 ** plane;
  });
  return sum!;
}

/** Each bit of the codes, lowest first, as [..., n, rest] f32: 0 where it is clear, 1 or more where it is set. */
export function unpackedBits(g: GraphBuilder, planes: readonly Value[], at: number, n: number, bits: number): Value[] {
  return planesOf(bits).flatMap((plane, p) => {
    const packed = planes[p]!;
    const places = Array.from({ length: 8 / plane }, (_, i) => i * plane);
    if (g.device === 'wasm')
      return Array.from({ length: plane }, (_, bit) => {
        const masked = places.map((place) => g.bitwiseAnd(packed, 2 ** (place + bit)));
        return g.cast(g.concat(masked, at, n), 'f32');
      });
    return bitsOf(g, g.concat(numbersOf(g, packed, plane, 1), at, n), plane);
  });
}

/** Each bit of whole numbers, lowest first, as 0 and 1. */
export function bitsOf(g: GraphBuilder, codes: Value, bits: number): Value[] {
  let left = codes;
  return Array.from({ length: bits }, () => {
    const above = g.floor(g.mul(left, 0.5));
    const bit = g.sub(left, g.mul(above, 2));
    left = above;
    return bit;
  });
}

/** The 8/plane numbers of each byte times `scale`, those of one place in the byte together. */
function numbersOf(g: GraphBuilder, packed: Value, plane: number, scale: number): Value[] {
  const per = 8 / plane;
  const times = (x: Value, factor: number) => (factor === 1 ? x : g.mul(x, factor));
  if (per === 1) return [times(g.cast(packed, 'f32'), scale)];
  if (g.device === 'wasm')
    return Array.from({ length: per }, (_, i) => {
      const place = 2 ** (i * plane);
      return times(g.cast(g.bitwiseAnd(packed, (2 ** plane - 1) * place), 'f32'), scale / place);
    });
  const parts: Value[] = [];
  let left = g.cast(packed, 'f32');
  for (let i = 0; i < per - 1; i++) {
    const above = g.floor(g.mul(left, 1 / 2 ** plane));
    parts.push(g.sub(left, g.mul(above, 2 ** plane)));
    left = above;
  }
  return [...parts, left].map((part) => times(part, scale));
}
