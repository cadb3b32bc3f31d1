/** 16-bit floats without a 16-bit type. WebGPU devices may lack f16, so halves are made of f32 arithmetic there. */
import type { GraphBuilder, Value } from './builder.ts';

/** The nearest value that has 11 significant bits, ties to even: what a normal f16 can hold (|x| from 6.1e-5 to 65504).
 *  Veltkamp's splitting: multiplying by 2^13 + 1 and taking the excess away leaves the upper 24 - 13 bits. */
export function roundToHalf(g: GraphBuilder, x: Value): Value {
  const spread = g.mul(x, 8193);
  return g.sub(spread, g.sub(spread, x));
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The f16 bits of a number, ties to even, subnormals and overflow included. */
export function toHalfBits(x: number): number {
  scratch[0] = x;
  const bits = scratchBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  const e = exponent - 112;
  if (e >= 31) return sign | 0x7c00;
  const whole = mantissa | 0x800000;
  const shift = e > 0 ? 13 : 14 - e;
  if (shift > 24) return sign;
  const kept = (e > 0 ? mantissa | 0 : whole) >>> shift;
  const lost = (e > 0 ? mantissa : whole) & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = lost > half || (lost === half && (kept & 1) === 1) ? 1 : 0;
  return sign | ((e > 0 ? e << 10 : 0) + kept + up);
}

let table: Float32Array | undefined;
/** The number that f16 bits stand for. */
export function fromHalfBits(bits: number): number {
  table ??= Float32Array.from({ length: 65536 }, (_, h) => {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const mantissa = h & 1023;
    if (exponent === 0) return sign * mantissa * 2 ** -24;
    if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  });
  return table[bits]!;
}
