/** Block floating point: neighbouring channels of an entry share one exponent, and each keeps a short signed mantissa.
 *
 *  e = floor(log2 max|x|), step = 2^(e - (mantissa - 2)), code = round(x / step), clamped to +-(2^(mantissa - 1) - 1).
 *  Trukhanov and Soloveychik 2024, "Accurate Block Quantization in LLMs with Outliers", arXiv:2403.20137. A block of zeros stays
 *  zero. The largest number of a block may saturate (3.9 at 4 bits becomes 3.5), as in the format. */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { roundHalfEven } from '../graph/composites.ts';
import { f32, operator } from '../operator.ts';
import { count, type ParamValues } from '../params.ts';
import { roundHalfEven as round, tensor } from '../tensor.ts';
import { packBits, planesOf, unpackBits } from './bits.ts';
import { type Code, claimedOf, type Encoding, type Values } from './encoding.ts';

const params = {
  mantissa: count({ default: 4, min: 2, max: 8, unit: 'bits', note: 'sign and mantissa of a number' }),
  block: count({ default: 32, min: 8, unit: 'channels', note: 'channels that share an exponent; a multiple of 8' }),
};
type BlockParams = ParamValues<typeof params>;
const bias = 127;
const most = ({ mantissa }: BlockParams): number => 2 ** (mantissa - 1) - 1;

/** 2^(exponent - bias) for whole numbers from 0 to 255. A device's own power or logarithm may miss the last bit. */
function power(g: GraphBuilder, exponent: Value): Value {
  const table = g.constant(
    'f32',
    Array.from({ length: 256 }, (_, i) => 2 ** Math.max(i - bias, -126)),
    [256],
  );
  return g.gather(table, g.cast(exponent, 'i32'), 0);
}

function write(g: GraphBuilder, x: Value, o: BlockParams): Record<string, Value> {
  const blocks = g.reshape(x, [x.dims[0]!, x.dims[1]!, g.sizes.D! / o.block, o.block]);
  const peak = g.reduceMax(g.abs(blocks), 3, true); // [H, T, D/block, 1]
  const guess = g.clip(g.add(g.floor(g.mul(g.log(g.max(peak, 1e-37)), Math.LOG2E)), bias), 1, 250);
  const above = g.cast(g.greater(power(g, guess), peak), 'f32');
  const below = g.cast(g.not(g.greater(power(g, g.add(guess, 1)), peak)), 'f32');
  const exponent = g.max(g.sub(g.add(guess, below), above), 0);
  const step = power(g, g.max(g.sub(exponent, o.mantissa - 2), 0));
  const codes = g.add(g.clip(roundHalfEven(g, g.div(blocks, step)), -most(o), most(o)), most(o));
  const planes = packBits(g, codes, 3, o.block, o.mantissa);
  return {
    ...Object.fromEntries(planes.map((p, i) => [`mantissas${i}`, p])),
    exponents: g.cast(g.squeeze(exponent, 3), 'u8'),
  };
}

function read(g: GraphBuilder, stored: Values, o: BlockParams): Value {
  const planes = planesOf(o.mantissa).map((_, i) => stored[`mantissas${i}`]!);
  const codes = g.sub(unpackBits(g, planes, 3, o.block, o.mantissa), most(o)); // [H, T, D/block, block]
  const exponent = g.unsqueeze(g.cast(stored.exponents!, 'f32'), 3);
  const blocks = g.mul(codes, power(g, g.max(g.sub(exponent, o.mantissa - 2), 0)));
  return g.reshape(blocks, [blocks.dims[0]!, blocks.dims[1]!, 'D']);
}

export const blockFloatOperator = operator({
  name: 'block-float',
  kind: 'encode',
  scope: 'head',
  title: ({ mantissa, block }) => `block floats of ${mantissa} bits, ${block} to an exponent`,
  paper: 'arXiv:2403.20137',
  params,
  inputs: { x: f32(['Hkv', 'T', 'D']) },
  outputs: { restored: f32(['Hkv', 'T', 'D']) },
  cost: perElement(8, 'Hkv', 'T', 'D'),
  accepts: ({ T = 1, Hkv = 1 }, { block }) => ({ Hkv, T, D: 2 * block }),
  variants: [
    { mantissa: 3, block: 8 },
    { mantissa: 8, block: 16 },
  ],

  graph: (g, { x }, o) => ({ restored: read(g, write(g, x!, o), o) }),

  reference({ x }, o) {
    const restored = tensor(x!.dims);
    for (let from = 0; from < x!.data.length; from += o.block) {
      const block = x!.data.subarray(from, from + o.block);
      const peak = Math.max(...block.map(Math.abs));
      if (peak === 0) continue;
      let e = Math.floor(Math.log2(peak));
      if (2 ** e > peak) e--;
      const step = 2 ** (e - (o.mantissa - 2));
      block.forEach((v, i) => {
        restored.data[from + i] = Math.min(Math.max(round(v / step), -most(o)), most(o)) * step;
      });
    }
    return { restored };
  },

  example: {
    // e is 1 and the step 0.5: mantissas 2, 1, 0 (0.25 / 0.5 rounds to the even 0) and -6; 3.9 would saturate at 3.5.
    inputs: { x: [[[1, 0.5, 0.25, -3, 0, 0, 0, 0, 3.9, 0, 0, 0, 0, 0, 0, 0]]] },
    params: { mantissa: 4, block: 8 },
    outputs: { restored: [[[1, 0.5, 0, -3, 0, 0, 0, 0, 3.5, 0, 0, 0, 0, 0, 0, 0]]] },
  },
});

export function blockFloat(given: Partial<BlockParams> = {}): Encoding {
  const bound = blockFloatOperator(given);
  const o = bound.params;
  if (o.block % 8)
    throw new RangeError(
      `encode block-float: block is ${o.block}; give a multiple of 8, so that codes fill whole bytes`,
    );
  const blocks = (D: number) => {
    if (D % o.block)
      throw new RangeError(
        `encode block-float: block ${o.block} does not divide the head size ${D}; give a divisor, for example 32`,
      );
    return D / o.block;
  };
  const planes = planesOf(o.mantissa).map((plane, i): [string, Code] => {
    const dims = (D: number) => [blocks(D), (o.block * plane) / 8];
    return [`mantissas${i}`, { type: 'u8', per: 'entry', dims, role: 'payload' }];
  });
  const exponents: Code = { type: 'u8', per: 'entry', dims: (D) => [blocks(D)], role: 'scales' };
  const codes = { ...Object.fromEntries(planes), exponents };
  return {
    ...bound,
    name: `block floats ${o.mantissa} of ${o.block}`,
    stores: 'either',
    grain: 1,
    exact: false,
    bits: o.mantissa,
    codes,
    write: (g, x) => write(g, x, o),
    read: (g, stored) => read(g, stored, o),
    claimedBytes: claimedOf(codes, 1),
  };
}
