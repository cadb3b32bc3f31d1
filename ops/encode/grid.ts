/** A uniform grid: its lowest point, its step, and the code of each number. What uniform codecs share, as graph and as loops. */
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { roundHalfEven } from '../graph/composites.ts';
import { roundToHalf } from '../graph/half.ts';
import { nearestHalf } from '../loops.ts';
import { roundHalfEven as round } from '../tensor.ts';

export interface GridParams {
  bits: number;
  /** Share of the range that the grid spans; what lies beyond takes its ends. */
  clip: number;
  /** Moves the grid so that it contains zero, as a whole zero point does. */
  zero: boolean;
  scales: 'half' | 'exact';
}
export interface Grid {
  low: Value;
  scale: Value;
}

const nonZero = (g: GraphBuilder, x: Value): Value => g.where(g.equal(x, 0), 1, x);

/** The grid of groups whose smallest and largest numbers are given. */
export function gridOf(g: GraphBuilder, least: Value, most: Value, o: GridParams): Grid {
  const store = (v: Value) => (o.scales === 'half' ? roundToHalf(g, v) : v);
  const clipped = (v: Value) => (o.clip === 1 ? v : g.mul(v, o.clip));
  const low = store(clipped(least));
  const scale = store(g.div(g.sub(clipped(most), low), 2 ** o.bits - 1));
  if (!o.zero) return { low, scale };
  // A constant group keeps its value: it has no step.
  const moved = store(g.mul(scale, roundHalfEven(g, g.div(low, nonZero(g, scale)))));
  return { low: g.where(g.equal(scale, 0), low, moved), scale };
}

/** Whole numbers from 0 to 2^bits - 1. */
export const codesOn = (g: GraphBuilder, x: Value, { low, scale }: Grid, bits: number): Value =>
  g.clip(roundHalfEven(g, g.div(g.sub(x, low), nonZero(g, scale))), 0, 2 ** bits - 1);

export const valuesOn = (g: GraphBuilder, codes: Value, { low, scale }: Grid): Value => g.add(g.mul(codes, scale), low);

/** A group of numbers on its grid, in float64. Quotients are f32: numbers exactly between two codes are common. */
export function onGrid(values: readonly number[], o: GridParams): number[] {
  const store = o.scales === 'half' ? nearestHalf : Math.fround;
  const ends = [Math.min(...values), Math.max(...values)].map((v) => (o.clip === 1 ? v : Math.fround(v * o.clip)));
  const start = store(ends[0]!);
  const scale = store(Math.fround(ends[1]! - start) / (2 ** o.bits - 1));
  const low = o.zero && scale !== 0 ? store(scale * round(Math.fround(start / scale))) : start;
  return values.map((v) => {
    const code = round(Math.fround(Math.fround(v - low) / (scale || 1)));
    return Math.min(Math.max(code, 0), 2 ** o.bits - 1) * scale + low;
  });
}
