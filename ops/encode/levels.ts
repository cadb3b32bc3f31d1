/** Levels: each number takes the nearest of a few levels that a fit placed where the numbers are, not on a uniform grid.
 *
 *  y = (x - middle) / reach, code = the nearest level of the layer's codebook. Hooper et al. 2024, "KVQuant", arXiv:2401.18079,
 *  sections 3.1 to 3.4. Keys take middle and reach of their channel from a fit, values those of their own token (16 bits). */
import { perElement } from '../cost.ts';
import type { Fit } from '../fit/fit.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { roundToHalf } from '../graph/half.ts';
import { eachNumber } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { overEntries } from './balance.ts';
import { bitsOf, packBits, planesOf, unpackedBits } from './bits.ts';
import { type Code, claimedOf, type Encoding, type Values } from './encoding.ts';

const nonZero = (g: GraphBuilder, x: Value): Value => g.where(g.equal(x, 0), 1, x);

/** Codes of y from 0 to 2^bits - 1 against ascending levels [H or 1, 1, R]; halfway between two the lower one is taken. */
function nearest(g: GraphBuilder, y: Value, levels: Value, bits: number): Value {
  const R = 2 ** bits;
  const between = g.mul(g.add(g.slice(levels, 2, 0, R - 1, R - 1), g.slice(levels, 2, 1, R, R - 1)), 0.5);
  const passed = Array.from({ length: R - 1 }, (_, i) => g.greater(y, g.slice(between, 2, i, i + 1, 1)));
  return passed.map((p) => g.cast(p, 'f32')).reduce((a, b) => g.add(a, b));
}

/** Levels on a range from 0 to 1 [H or 1, 1, R], its width [H or 1, 1, 1], and where it starts. */
function ranged(g: GraphBuilder, levels: Value, R: number): { shares: Value; width: Value; start: Value } {
  const start = g.slice(levels, 2, 0, 1, 1);
  const width = g.sub(g.slice(levels, 2, R - 1, R, 1), start);
  return { shares: g.div(g.sub(levels, start), nonZero(g, width)), width, start };
}

/** The level of each code, given its bits (lowest first; 0, or 1 and more), on channels with this middle and reach.
 *
 *  Levels ascend, so a bit chooses between two of them by a maximum and a minimum: half the time of a choice by `where`. */
function looked(g: GraphBuilder, bits: readonly Value[], levels: Value, center: Value, reach: Value): Value {
  const R = 2 ** bits.length;
  const { shares, width, start } = ranged(g, levels, R);
  const chosen = (from: number, n: number): Value => {
    if (n === 0) return g.slice(shares, 2, from, from + 1, 1);
    const [low, high] = [chosen(from, n - 1), chosen(from + 2 ** (n - 1), n - 1)];
    return g.min(from === 0 && n === 1 ? bits[0]! : g.max(bits[n - 1]!, low), high); // the lowest level is 0
  };
  return g.add(g.mul(chosen(0, bits.length), g.mul(reach, width)), g.add(center, g.mul(reach, start)));
}

export const levelsOperator = operator({
  name: 'levels',
  kind: 'encode',
  scope: 'head',
  title: ({ bits }) => `${2 ** bits} levels`,
  paper: 'arXiv:2401.18079',
  params: { bits: count({ default: 3, min: 1, max: 4, unit: 'bits', note: 'width of a code' }) },
  inputs: {
    x: f32(['Hkv', 'T', 'D']),
    codebook: f32(['R'], { values: 'positions' }),
    middle: f32(['Hkv', 'D']),
    reach: f32(['Hkv', 'D'], { values: 'shares' }),
  },
  outputs: { restored: f32(['Hkv', 'T', 'D']) },
  cost: perElement(10, 'Hkv', 'T', 'D'),
  accepts: ({ T = 1, D = 1, Hkv = 1 }, { bits }) => ({ Hkv, T, D, R: 2 ** bits }),
  variants: [{ bits: 1 }, { bits: 2 }, { bits: 4 }],
  nearTies: 0.01,

  graph(g, { x, codebook, middle, reach }, { bits }) {
    const [center, width] = [overEntries(g, middle!), overEntries(g, reach!)];
    const book = g.unsqueeze(g.unsqueeze(codebook!, 0), 0);
    const codes = nearest(g, g.div(g.sub(x!, center), nonZero(g, width)), book, bits);
    return { restored: looked(g, bitsOf(g, codes, bits), book, center, width) };
  },

  reference({ x, codebook, middle, reach }) {
    const restored = eachNumber(x!, (v, h, _, d) => {
      const [center, width] = [middle!.get(h, d), reach!.get(h, d)];
      const y = (v - center) / (width || 1);
      let best = 0;
      for (let r = 1; r < codebook!.dims[0]!; r++)
        if (Math.abs(y - codebook!.get(r)) < Math.abs(y - codebook!.get(best))) best = r;
      return codebook!.get(best) * width + center;
    });
    return { restored };
  },

  example: {
    // Around 1 with reach 2: 0 lies at -0.5 and takes level -0.4; 9 lies beyond and takes the last level.
    inputs: { x: [[[0, 9]]], codebook: [-1, -0.4, 0.2, 1], middle: [[1, 1]], reach: [[2, 2]] },
    params: { bits: 2 },
    outputs: { restored: [[[0.2, 3]]] },
  },
});

export interface LevelsOptions {
  bits: number;
  per: 'channel' | 'token';
  /** Gives `codebook` [L, 2^bits] and, per channel, `middle` and `reach` [L, Hkv, D]. */
  fit: Fit;
}

export function levels({ bits, per, fit }: LevelsOptions): Encoding {
  const bound = levelsOperator({ bits });
  const planes = planesOf(bits).map((plane, i): [string, Code] => {
    const dims = (D: number) => [(D * plane) / 8];
    return [`codes${i}`, { type: 'u8', per: 'entry', dims, role: 'payload' }];
  });
  const fitted = (tensorName: string) => ({ fit, tensor: tensorName });
  const ofChannel = (name: string): Code => ({ type: 'f32', per: 'store', dims: (D) => [D], role: 'scales', fitted: fitted(name) }); // biome-ignore format: one line
  const ofToken: Code = { type: 'half', per: 'entry', dims: () => [1], role: 'scales' };
  const range = (name: string): Code => (per === 'channel' ? ofChannel(name) : ofToken);
  const codes = {
    ...Object.fromEntries(planes),
    codebook: {
      type: 'f32',
      per: 'store',
      dims: () => [2 ** bits],
      role: 'scales',
      joint: true,
      fitted: fitted('codebook'),
    },
    middle: range('middle'),
    reach: range('reach'),
  } as const satisfies Record<string, Code>;
  const spread = (g: GraphBuilder, v: Value) => (per === 'channel' ? overEntries(g, v) : g.cast(v, 'f32')); // [H, T or 1, D or 1]
  const book = (g: GraphBuilder, known: Values): Value => g.unsqueeze(known.codebook!, 1); // [H or 1, 1, R]
  return {
    ...bound,
    title: `${bound.title} per ${per}`,
    fits: [fit],
    name: `levels ${bits} per ${per}, ${fit.name}`,
    stores: 'either',
    grain: 1,
    exact: false,
    bits,
    codes,
    write(g, x, known = {}) {
      const [low, high] = [g.reduceMin(x, 2, true), g.reduceMax(x, 2, true)]; // [H, T, 1]
      const middle = roundToHalf(g, g.mul(g.add(low, high), 0.5));
      const own = per === 'token' ? { middle, reach: roundToHalf(g, g.mul(g.sub(high, low), 0.5)) } : undefined;
      const [center, width] = [own?.middle ?? spread(g, known.middle!), own?.reach ?? spread(g, known.reach!)];
      const code = nearest(g, g.div(g.sub(x, center), nonZero(g, width)), book(g, known), bits);
      return { ...Object.fromEntries(packBits(g, code, 2, g.sizes.D!, bits).map((p, i) => [`codes${i}`, p])), ...own };
    },
    read(g, stored) {
      const packed = planesOf(bits).map((_, i) => stored[`codes${i}`]!);
      const each = unpackedBits(g, packed, 2, g.sizes.D!, bits); // [H, T, D]
      return looked(g, each, book(g, stored), spread(g, stored.middle!), spread(g, stored.reach!));
    },
    claimedBytes: claimedOf(codes, 1),
  };
}
