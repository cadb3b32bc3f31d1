/** Uniform asymmetric quantization: a group of numbers becomes whole numbers between its minimum and its maximum.
 *
 *  scale = (max - min) / (2^bits - 1), code = round((x - min) / scale), x' = code * scale + min; rounding half to even.
 *  Liu et al. 2024, "KIVI", arXiv:2402.02750, section 3. `per: 'channel'` groups `group` consecutive entries of one channel
 *  (keys, whose outliers sit on channels), `per: 'token'` groups `group` channels of one entry (values), `per: 'row'`
 *  all channels of all heads of an entry, as ZipCache does (arXiv:2405.14256). `clip` and `zero` are those of
 *  RotateKV (arXiv:2501.16383).
 *  Departures: codes are taken against scale and minimum as stored (16 bits), so that reading adds no further error;
 *  a constant group keeps its value (the authors' code divides by zero). */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { f32, operator } from '../operator.ts';
import { choice, count, flag, number, type ParamValues } from '../params.ts';
import { tensor } from '../tensor.ts';
import { packBits, planesOf, unpackBits } from './bits.ts';
import { type Code, claimedOf, type Encoding, type Values } from './encoding.ts';
import { codesOn, gridOf, onGrid, valuesOn } from './grid.ts';
import { groupedBy, layoutOf, mixGroups, planesIn } from './groups.ts';

const params = {
  bits: count({ default: 2, min: 1, max: 8, unit: 'bits', note: 'width of a code' }),
  per: choice(
    ['channel', 'token', 'row'],
    'token',
    'what shares a scale: entries of one channel, channels of one entry, or all channels of all heads of one entry',
  ),
  group: count({ default: 32, min: 8, unit: 'numbers', note: 'numbers that share scale and minimum; a multiple of 8' }),
  scales: choice(['half', 'exact'], 'half', 'precision of scale and minimum'),
  clip: number({ default: 1, min: 0.1, max: 1, note: 'share of the range that the grid spans' }),
  zero: flag(false, 'the grid contains zero'),
};
type QuantParams = ParamValues<typeof params>;

function write(g: GraphBuilder, x: Value, o: QuantParams): Record<string, Value> {
  const groups = groupedBy(g, x, o);
  const { n, whole, axis } = layoutOf(g, o);
  const end = (reduce: typeof g.reduceMin): Value => {
    const own = reduce(groups, axis, true); // [H, B, 1, D], [H, T, D/group, 1] or [H, T, 1]
    return o.per === 'row' ? reduce(own, 0, true) : own; // [1, T, 1]
  };
  const grid = gridOf(g, end(g.reduceMin), end(g.reduceMax), o);
  const planes = packBits(g, codesOn(g, groups, grid, o.bits), axis, n, o.bits);
  const flat = (v: Value) => (whole ? v : g.squeeze(v, axis));
  return {
    ...Object.fromEntries(planes.map((p, i) => [`codes${i}`, whole ? g.unsqueeze(p, axis) : p])),
    scale: flat(grid.scale),
    low: flat(grid.low),
  };
}

function read(g: GraphBuilder, stored: Values, o: QuantParams): Value {
  const { n, whole, axis } = layoutOf(g, o);
  const planes = planesIn(stored, o.bits).map((p) => (whole ? g.squeeze(p, axis) : p));
  const codes = unpackBits(g, planes, axis, n, o.bits); // as groups
  const spread = (v: Value) => (whole ? g.cast(v, 'f32') : g.unsqueeze(g.cast(v, 'f32'), axis));
  const groups = valuesOn(g, codes, { low: spread(stored.low!), scale: spread(stored.scale!) });
  if (whole) return groups;
  return g.reshape(groups, [groups.dims[0]!, o.per === 'channel' ? 'T' : groups.dims[1]!, 'D']); // [H, T, D]
}

export const quantOperator = operator({
  name: 'quant',
  kind: 'encode',
  scope: 'head',
  title: ({ bits, per, group }) => `${bits} bits per ${per}${per === 'row' ? '' : `, groups of ${group}`}`,
  paper: 'arXiv:2402.02750',
  departures: ['codes are taken against the stored scale and minimum', 'a constant group keeps its value'],
  params,
  inputs: { x: f32(['Hkv', 'T', 'D']) },
  outputs: { restored: f32(['Hkv', 'T', 'D']) },
  cost: perElement(6, 'Hkv', 'T', 'D'),
  accepts: ({ T = 1, D = 1, Hkv = 1 }, { per, group }) =>
    per === 'channel' ? { Hkv, D, T: Math.ceil(T / group) * group } : { Hkv, T, D: 2 * group },
  variants: [{ bits: 1 }, { bits: 3, group: 8 }, { bits: 4 }, { bits: 8, clip: 0.8 }],
  nearTies: 0.002,

  graph: (g, { x }, o) => ({ restored: read(g, write(g, x!, o), o) }),

  reference({ x }, o) {
    const [H, T, D] = x!.dims as [number, number, number];
    const restored = tensor([H, T, D]);
    const range = (n: number) => Array.from({ length: n }, (_, i) => i);
    const code = (places: readonly (readonly [number, number, number])[]) => {
      const found = onGrid(places.map((p) => x!.get(...p)), o); // biome-ignore format: one line
      for (const [i, place] of places.entries()) restored.set(found[i]!, ...place);
    };
    for (let t = 0; t < T; t += o.per === 'channel' ? o.group : 1)
      if (o.per === 'row') code(range(H).flatMap((h) => range(D).map((d) => [h, t, d] as const)));
      else
        for (const h of range(H))
          for (let d = 0; d < D; d += o.per === 'channel' ? 1 : o.group)
            code(range(o.group).map((i) => (o.per === 'channel' ? [h, t + i, d] : [h, t, d + i])));
    return { restored };
  },

  example: {
    // Group [0, 1, 6, ...]: the scale is 2, and 1 / 2 rounds to the even 0.
    inputs: { x: [[[0, 1, 6, 5, 3, 0, 0, 0]]] },
    params: { bits: 2, per: 'token', group: 8 },
    outputs: { restored: [[[0, 0, 6, 4, 4, 0, 0, 0]]] },
  },
});

/** Uniform quantization as an encoding of a zone. */
export function quant(given: Partial<QuantParams>): Encoding {
  const bound = quantOperator(given);
  const o = bound.params;
  if (o.group % 8)
    throw new RangeError(`encode quant: group is ${o.group}; give a multiple of 8, so that codes fill whole bytes`);
  const [channel, joint] = [o.per === 'channel', o.per === 'row'];
  const row = channel ? 'batch' : 'entry';
  const columns = (D: number) => {
    if (o.per === 'token' && D % o.group)
      throw new RangeError(
        `encode quant: group ${o.group} does not divide the head size ${D}; give a divisor, for example 32`,
      );
    return channel ? D : joint ? 1 : D / o.group;
  };
  const bytes = (D: number, plane: number) => ((joint ? D : o.group) * plane) / 8;
  const planes = planesOf(o.bits).map((plane, i): [string, Code] => {
    const dims = (D: number) => (channel ? [bytes(D, plane), D] : [columns(D), bytes(D, plane)]);
    return [`codes${i}`, { type: 'u8', per: row, dims, role: 'payload' }];
  });
  const type = o.scales === 'half' ? 'half' : 'f32';
  const scale: Code = { type, per: row, dims: (D) => [columns(D)], role: 'scales', joint };
  const codes = { ...Object.fromEntries(planes), scale, low: scale };
  const grain = channel ? o.group : 1;
  const how = `${o.scales === 'half' ? '' : ' exact scales'}${o.clip === 1 ? '' : ` clip ${o.clip}`}${o.zero ? ' zero' : ''}`;
  return {
    ...bound,
    name: `quant ${o.bits} per ${o.per} of ${joint ? 'all' : o.group}${how}`,
    stores: 'either',
    grain,
    exact: false,
    joint,
    bits: o.bits,
    codes,
    write: (g, x) => write(g, x, o),
    read: (g, stored) => read(g, stored, o),
    mix: channel ? undefined : (g, shares, stored) => mixGroups(g, shares, stored, o),
    claimedBytes: claimedOf(codes, grain),
  };
}
