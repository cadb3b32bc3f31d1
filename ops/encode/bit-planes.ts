/** Bit planes: whole numbers whose bits mean +1 and -1, so that a product of any widths is a sum of products of signs.
 *
 *  value(code) = sum of (2 x_i - 1) 2^i over the bits x_i: the odd numbers from -(2^n - 1) to 2^n - 1. scale = max|x| / (2^n - 1),
 *  code = round((x / scale + 2^n - 1) / 2). "Efficient Arbitrary Precision Acceleration" (Bipolar-INT), arXiv:2409.17870.
 *  Zero is not among the values; an entry of zeros has scale 0. Departure: f32 products of bits where a device has no popcount,
 *  the planes of a query summed before: the same whole numbers, and no claim of speed. */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { roundHalfEven } from '../graph/composites.ts';
import { roundToHalf } from '../graph/half.ts';
import { nearestHalf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count, type ParamValues } from '../params.ts';
import { roundHalfEven as round, tensor } from '../tensor.ts';
import { bitsOf, packBits, unpackBits } from './bits.ts';
import { type Code, claimedOf, type Encoding, type Values } from './encoding.ts';

const params = {
  bits: count({ default: 3, min: 1, max: 8, unit: 'bits', note: 'planes of a stored number' }),
  queryBits: count({ default: 8, min: 1, max: 10, unit: 'bits', note: 'planes of a query in products by planes' }),
};
type PlaneParams = ParamValues<typeof params>;
const top = (bits: number): number => 2 ** bits - 1;

/** Codes of x [H, T, D], and their scale [H, T, 1]. */
function coded(g: GraphBuilder, x: Value, bits: number, store: (v: Value) => Value) {
  const scale = store(g.div(g.reduceMax(g.abs(x), 2, true), top(bits)));
  const steps = g.div(x, g.where(g.equal(scale, 0), 1, scale));
  return { scale, codes: g.clip(roundHalfEven(g, g.mul(g.add(steps, top(bits)), 0.5)), 0, top(bits)) };
}

function write(g: GraphBuilder, x: Value, { bits }: PlaneParams): Record<string, Value> {
  const { codes, scale } = coded(g, x, bits, (v) => roundToHalf(g, v));
  const planes = bitsOf(g, codes, bits).map((bit, i) => [`plane${i}`, packBits(g, bit, 2, g.sizes.D!, 1)[0]!]);
  return { ...Object.fromEntries(planes), scale: g.squeeze(scale, 2) };
}
/** The planes as 0 and 1 [H, T, D], lowest first. */
const bitsOfKeys = (g: GraphBuilder, stored: Values, { bits }: PlaneParams): Value[] =>
  Array.from({ length: bits }, (_, i) => unpackBits(g, [stored[`plane${i}`]!], 2, g.sizes.D!, 1));

function read(g: GraphBuilder, stored: Values, o: PlaneParams): Value {
  const codes = bitsOfKeys(g, stored, o).map((bit, i) => (i === 0 ? bit : g.mul(bit, 2 ** i)));
  const values = g.sub(g.mul(codes.reduce((sum, bit) => g.add(sum, bit)), 2), top(o.bits)); // biome-ignore format: one line
  return g.mul(values, g.unsqueeze(g.cast(stored.scale!, 'f32'), 2));
}

/** Sum over the planes of keys of 2^j times the product of their signs with the whole numbers of the queries, times both scales.
 *  All planes of a query meet a plane of keys at once, since f32 holds their sum exactly. With bits x in place of signs the
 *  product is 2 (q x) - sum of q. */
function dot(g: GraphBuilder, queries: Value, stored: Values, o: PlaneParams): Value {
  const { codes, scale } = coded(g, queries, o.queryBits, (v) => v);
  const numbers = g.sub(g.mul(codes, 2), top(o.queryBits)); // [H, R, D]
  const own = g.reduceSum(numbers, 2, true); // [H, R, 1]
  let sum: Value | undefined;
  for (const [j, bits] of bitsOfKeys(g, stored, o).entries()) {
    const products = g.sub(g.mul(g.matMul(numbers, g.transpose(bits, [0, 2, 1])), 2), own); // [H, R, T]
    sum = sum ? g.add(sum, g.mul(products, 2 ** j)) : products;
  }
  const keyScale = g.unsqueeze(g.cast(stored.scale!, 'f32'), 1); // [H, 1, T]
  return g.mul(g.mul(sum!, scale), keyScale);
}

export const bitPlanesOperator = operator({
  name: 'bit-planes',
  kind: 'encode',
  scope: 'head',
  title: ({ bits }) => `${bits} planes of signs`,
  paper: 'arXiv:2409.17870',
  departures: ['f32 products of bits, the planes of a query summed before: the same whole numbers, no claim of speed'],
  params,
  inputs: { x: f32(['Hkv', 'T', 'D']), queries: f32(['Hkv', 'Q', 'D']) },
  outputs: { restored: f32(['Hkv', 'T', 'D']), products: f32(['Hkv', 'Q', 'T']) },
  cost: perElement(6, 'Hkv', 'T', 'D'),
  variants: [{ bits: 1, queryBits: 3 }, { bits: 2, queryBits: 2 }, { bits: 8 }],
  nearTies: 0.01,

  graph(g, { x, queries }, o) {
    const stored = write(g, x!, o);
    return { restored: read(g, stored, o), products: dot(g, queries!, stored, o) };
  },

  reference({ x, queries }, { bits, queryBits }) {
    const [H, T, D] = x!.dims as [number, number, number];
    const Q = queries!.dims[1]!;
    const rounded = (all: Float64Array, n: number, store: (v: number) => number): number[] => {
      const row = Array.from(all);
      const scale = store(Math.fround(Math.max(...row.map(Math.abs)) / top(n)));
      return row.map((v) => {
        const code = round(Math.fround(Math.fround(v / (scale || 1)) + top(n)) / 2);
        return (2 * Math.min(Math.max(code, 0), top(n)) - top(n)) * scale;
      });
    };
    const [restored, products] = [tensor([H, T, D]), tensor([H, Q, T])];
    for (let row = 0; row < H * T; row++)
      restored.data.set(rounded(x!.data.subarray(row * D, (row + 1) * D), bits, nearestHalf), row * D);
    for (let h = 0; h < H; h++)
      for (let q = 0; q < Q; q++) {
        const at = (h * Q + q) * D;
        const query = rounded(queries!.data.subarray(at, at + D), queryBits, Math.fround);
        for (let t = 0; t < T; t++) products.set(query.reduce((n, v, d) => n + v * restored.get(h, t, d), 0), h, q, t); // biome-ignore format: one line
      }
    return { restored, products };
  },

  example: {
    // Two planes give -3, -1, 1, 3 exactly; the product of (3, -1, 1, -3) and (1, -3, -1, 3) is -4.
    inputs: { x: [[[3, -1, 1, -3, 3, 3, 3, 3]]], queries: [[[1, -3, -1, 3, 3, -3, 3, -3]]] },
    params: { bits: 2, queryBits: 2 },
    outputs: { restored: [[[3, -1, 1, -3, 3, 3, 3, 3]]], products: [[[-4]]] },
  },
});

export function bitPlanes(given: Partial<PlaneParams> = {}): Encoding {
  const bound = bitPlanesOperator(given);
  const o = bound.params;
  const plane: Code = { type: 'u8', per: 'entry', dims: (D) => [D / 8], role: 'payload' };
  const planes = Array.from({ length: o.bits }, (_, i) => [`plane${i}`, plane]);
  const scale: Code = { type: 'half', per: 'entry', dims: () => [], role: 'scales' };
  const codes = { ...Object.fromEntries(planes), scale };
  return {
    ...bound,
    name: `bit planes ${o.bits}, queries ${o.queryBits}`,
    stores: 'either',
    grain: 1,
    exact: false,
    bits: o.bits,
    codes,
    write: (g, x) => write(g, x, o),
    read: (g, stored) => read(g, stored, o),
    dot: (g, queries, stored) => dot(g, queries, stored, o),
    claimedBytes: claimedOf(codes, 1),
  };
}
