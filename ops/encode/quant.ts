/** Uniform asymmetric quantization: a group of numbers becomes whole numbers between its minimum and its maximum.
 *
 *  scale = (max - min) / (2^bits - 1), code = round((x - min) / scale), x' = code * scale + min; rounding half to even.
 *  Liu et al. 2024, "KIVI", arXiv:2402.02750, section 3. `per: 'channel'` groups `group` consecutive entries of one channel
 *  (keys, whose outliers sit on channels), `per: 'token'` groups `group` channels of one entry (values).
 *  Departures: codes are taken against scale and minimum as stored (16 bits), so that reading adds no further error;
 *  a constant group keeps its value (the authors' code divides by zero). */
import { perElement } from '../cost.ts';
import { packBits, planesOf, unpackBits } from '../graph/bits.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { roundHalfEven } from '../graph/composites.ts';
import { roundToHalf } from '../graph/half.ts';
import { f32, operator } from '../operator.ts';
import { choice, count, type ParamValues } from '../params.ts';
import { roundHalfEven as round, tensor } from '../tensor.ts';
import type { Code, Encoding } from './encoding.ts';

const params = {
  bits: count({ default: 2, min: 1, max: 8, unit: 'bits', note: 'width of a code' }),
  per: choice(['channel', 'token'], 'token', 'what shares a scale: entries of one channel, or channels of one entry'),
  group: count({ default: 32, min: 8, unit: 'numbers', note: 'numbers that share scale and minimum; a multiple of 8' }),
  scales: choice(['half', 'exact'], 'half', 'precision of scale and minimum'),
};
type QuantParams = ParamValues<typeof params>;

/** x [H, T, D] with its groups on an axis of their own: keys [H, B, group, D], values [H, T, D/group, group]. */
function grouped(g: GraphBuilder, x: Value, { per, group }: QuantParams): Value {
  if (per === 'channel') return g.reshape(x, [x.dims[0]!, 'B', group, x.dims[2]!]);
  return g.reshape(x, [x.dims[0]!, x.dims[1]!, g.sizes.D! / group, group]);
}
const groupAxis = ({ per }: QuantParams): number => (per === 'channel' ? 2 : 3);

function write(g: GraphBuilder, x: Value, o: QuantParams): Record<string, Value> {
  const groups = grouped(g, x, o);
  const axis = groupAxis(o);
  const store = (v: Value) => (o.scales === 'half' ? roundToHalf(g, v) : v);
  const low = store(g.reduceMin(groups, axis, true)); // [H, B, 1, D] or [H, T, D/group, 1]
  const scale = store(g.div(g.sub(g.reduceMax(groups, axis, true), low), 2 ** o.bits - 1));
  const divisor = g.where(g.equal(scale, 0), 1, scale);
  const codes = g.clip(roundHalfEven(g, g.div(g.sub(groups, low), divisor)), 0, 2 ** o.bits - 1); // as groups
  const planes = packBits(g, codes, axis, o.group, o.bits);
  return {
    ...Object.fromEntries(planes.map((p, i) => [`codes${i}`, p])),
    scale: g.squeeze(scale, axis),
    low: g.squeeze(low, axis),
  };
}

function read(g: GraphBuilder, stored: Record<string, Value>, o: QuantParams): Value {
  const axis = groupAxis(o);
  const planes = planesOf(o.bits).map((_, i) => stored[`codes${i}`]!);
  const codes = unpackBits(g, planes, axis, o.group, o.bits); // as groups
  const spread = (v: Value) => g.unsqueeze(g.cast(v, 'f32'), axis);
  const groups = g.add(g.mul(codes, spread(stored.scale!)), spread(stored.low!));
  return g.reshape(groups, [groups.dims[0]!, o.per === 'channel' ? 'T' : groups.dims[1]!, 'D']); // [H, T, D]
}

export const quantOperator = operator({
  name: 'quant',
  kind: 'encode',
  scope: 'head',
  title: ({ bits, per, group }) => `${bits} bits per ${per}, groups of ${group}`,
  paper: 'arXiv:2402.02750',
  departures: ['codes are taken against the stored scale and minimum', 'a constant group keeps its value'],
  params,
  inputs: { x: f32(['Hkv', 'T', 'D']) },
  outputs: { restored: f32(['Hkv', 'T', 'D']) },
  cost: perElement(6, 'Hkv', 'T', 'D'),
  accepts: ({ T = 1, D = 1 }, { per, group }) =>
    per === 'channel' ? { D, T: Math.ceil(T / group) * group } : { T, D: 2 * group },
  variants: [{ bits: 1 }, { bits: 3, group: 8 }, { bits: 4 }, { bits: 8 }],

  graph: (g, { x }, o) => ({ restored: read(g, write(g, x!, o), o) }),

  reference({ x }, { bits, per, group, scales }) {
    const [H, T, D] = x!.dims as [number, number, number];
    const restored = tensor([H, T, D]);
    const code = (places: readonly [number, number, number][]) => {
      const values = places.map((p) => x!.get(...p));
      const store = scales === 'half' ? nearestHalf : Math.fround;
      const low = store(Math.min(...values));
      const scale = store((Math.max(...values) - low) / (2 ** bits - 1));
      values.forEach((v, i) => {
        // The quotient in f32: numbers that lie exactly between two codes are common (0 between -1 and 1).
        const c = Math.min(Math.max(round(Math.fround((v - low) / (scale || 1))), 0), 2 ** bits - 1);
        restored.set(c * scale + low, ...places[i]!);
      });
    };
    const range = Array.from({ length: group }, (_, i) => i);
    for (let h = 0; h < H; h++)
      if (per === 'channel')
        for (let t = 0; t < T; t += group) for (let d = 0; d < D; d++) code(range.map((i) => [h, t + i, d]));
      else for (let t = 0; t < T; t++) for (let d = 0; d < D; d += group) code(range.map((i) => [h, t, d + i]));
    return { restored };
  },

  example: {
    // Group [0, 1, 6, ...]: the scale is 2, and 1 / 2 rounds to the even 0.
    inputs: { x: [[[0, 1, 6, 5, 3, 0, 0, 0]]] },
    params: { bits: 2, per: 'token', group: 8 },
    outputs: { restored: [[[0, 0, 6, 4, 4, 0, 0, 0]]] },
  },
});

/** The nearest number with 11 significant bits. */
function nearestHalf(v: number): number {
  const step = 2 ** (Math.floor(Math.log2(Math.abs(v) || 1)) - 10);
  return round(v / step) * step;
}

/** Uniform quantization as an encoding of a zone. */
export function quant(given: Partial<QuantParams>): Encoding {
  const { bits, per, group, scales } = given;
  const bound = quantOperator({ bits, per, group, scales });
  const o = bound.params;
  if (o.group % 8)
    throw new RangeError(`quant: group is ${o.group}; give a multiple of 8, so that codes fill whole bytes`);
  const channel = o.per === 'channel';
  const row = channel ? 'batch' : 'entry';
  const type: Code['type'] = o.scales === 'half' ? 'half' : 'f32';
  const columns = (D: number) => {
    if (!channel && D % o.group)
      throw new RangeError(
        `quant: group ${o.group} does not divide the head size ${D}; give a divisor, for example 32`,
      );
    return channel ? D : D / o.group;
  };
  const planes = planesOf(o.bits).map((plane, i): [string, Code] => [
    `codes${i}`,
    {
      type: 'u8',
      per: row,
      dims: (D) => (channel ? [(o.group * plane) / 8, D] : [columns(D), (o.group * plane) / 8]),
      role: 'payload',
    },
  ]);
  const scale: Code = { type, per: row, dims: (D) => [columns(D)], role: 'scales' };
  return {
    ...bound,
    name: `quant ${o.bits} per ${o.per} of ${o.group}${o.scales === 'half' ? '' : ' exact scales'}`,
    stores: 'either',
    grain: channel ? o.group : 1,
    exact: false,
    bits: o.bits,
    codes: { ...Object.fromEntries(planes), scale, low: scale },
    write: (g, x) => write(g, x, o),
    read: (g, codes) => read(g, codes, o),
    claimedBytes: (entries, D) => entries * D * (o.bits / 8 + 4 / o.group),
  };
}
