/** Except outliers: the few numbers of a vector that lie farthest out stay exact, and the codec sees the vector without them.
 *
 *  Kang et al. 2024, "GEAR", arXiv:2403.05527, section 3: `count` largest and smallest numbers of each vector, replaced by the
 *  vector's mean. Hooper et al. 2024, "KVQuant", arXiv:2401.18079, section 3.4: with limits from a fit, the numbers that exceed
 *  those of their channel the most. Departures: a fixed count for each vector, at least one a side (papers: a share of all
 *  numbers); kept at 16 bits. */
import { perElement } from '../cost.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { roundToHalf } from '../graph/half.ts';
import { nearestHalf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { choice, count } from '../params.ts';
import { tensor } from '../tensor.ts';
import { overEntries } from './balance.ts';
import { type Code, claimedOf, type Encoding, type Values } from './encoding.ts';

/** Vectors lie along this axis: x [H, T, D] for entries, [H, B, block, D] for channels of blocks. */
const axis = 2;
const inBlocks = (g: GraphBuilder, x: Value, per: string, block: number): Value =>
  per === 'channel' ? g.reshape(x, [x.dims[0]!, 'B', block, 'D']) : x;
const asRows = (g: GraphBuilder, x: Value): Value => (x.dims.length === 3 ? x : g.reshape(x, [x.dims[0]!, 'T', 'D']));

/** Places and values of outliers, `count` along the axis of the vectors. */
interface Found {
  places: Value;
  values: Value;
}

function farthest(g: GraphBuilder, x: Value, by: Value, n: number, largest: boolean): Found {
  const { indices } = g.topK(by, n, axis, n, largest);
  return { places: g.cast(indices, 'f32'), values: roundToHalf(g, g.gatherElements(x, indices, axis)) };
}

/** x with `fill` (or its own values) where an outlier lies; length is that of the axis. Comparing suits a graphics device;
 *  elsewhere a few numbers are put in their places sooner, none outside: an empty slot may name any. */
function placed(g: GraphBuilder, x: Value, { places, values }: Found, length: number, fill?: Value): Value {
  if (g.device === 'wasm' && !fill)
    return { ...g.scatterElements(x, g.cast(g.min(places, length - 1), 'i32'), values, axis), dims: x.dims };
  const numbers = Array.from({ length }, (_, i) => i);
  const range = g.constant('f32', numbers, x.dims.map((_, i) => (i === axis ? length : 1))); // biome-ignore format: one line
  let out = x;
  for (let k = 0; k < (places.dims[axis] as number); k++) {
    const here = g.equal(range, g.slice(places, axis, k, k + 1, 1));
    out = g.where(here, fill ?? g.slice(values, axis, k, k + 1, 1), out);
  }
  return { ...out, dims: x.dims };
}

/** The outliers of x on both sides, and x without them. */
function split(g: GraphBuilder, x: Value, length: number, n: number): Found & { rest: Value } {
  const [most, least] = [farthest(g, x, x, n, true), farthest(g, x, x, n, false)];
  const both = (name: keyof Found) => g.concat([most[name], least[name]], axis, 2 * n);
  const found = { places: both('places'), values: both('values') };
  return { ...found, rest: placed(g, x, found, length, g.reduceMean(x, axis, true)) };
}

export const exceptOutliersOperator = operator({
  name: 'except-outliers',
  kind: 'encode',
  scope: 'head',
  title: ({ per, count: n }) => `${n} outliers a side and ${per} exact`,
  paper: 'arXiv:2403.05527',
  departures: ['a fixed count for each vector', 'outliers at 16 bits'],
  params: {
    per: choice(['channel', 'token'], 'token', 'a vector is one channel of a block of entries, or one entry'),
    count: count({ default: 1, min: 1, unit: 'numbers', note: 'outliers on each side of a vector' }),
    block: count({ default: 32, min: 2, max: 256, unit: 'entries', note: 'entries of a vector that is a channel' }),
  },
  inputs: { x: f32(['Hkv', 'T', 'D']) },
  outputs: { rest: f32(['Hkv', 'T', 'D']), outliers: f32(['Hkv', 'T', 'D']) },
  cost: perElement(6, 'Hkv', 'T', 'D'),
  accepts: ({ T = 1, Hkv = 1, D = 1 }, { block }) => ({ Hkv, T: Math.ceil(T / block) * block, D }),
  variants: [{ count: 2, block: 8 }],

  graph(g, { x }, { per, count: n, block }) {
    const vectors = inBlocks(g, x!, per, block);
    const length = per === 'channel' ? block : g.sizes.D!;
    const { rest, ...found } = split(g, vectors, length, n);
    return { rest: asRows(g, rest), outliers: asRows(g, placed(g, g.mul(vectors, 0), found, length)) };
  },

  reference({ x }, { per, count: n, block }) {
    const [H, T, D] = x!.dims as [number, number, number];
    const [rest, outliers] = [tensor(x!.dims, x!.data), tensor(x!.dims)];
    const length = per === 'channel' ? block : D;
    for (let h = 0; h < H; h++)
      for (let v = 0; v < (T * D) / length; v++) {
        const [from, d] = [Math.floor(v / D) * block, v % D];
        const place = (i: number) => (per === 'channel' ? [h, from + i, d] : [h, v, i]);
        const values = Array.from({ length }, (_, i) => x!.get(...place(i)));
        const order = values.map((_, i) => i);
        const largest = order.toSorted((a, b) => values[b]! - values[a]! || a - b).slice(0, n);
        const smallest = order.toSorted((a, b) => values[a]! - values[b]! || a - b).slice(0, n);
        const mean = values.reduce((a, b) => a + b, 0) / length;
        for (const i of [...largest, ...smallest]) {
          rest.set(mean, ...place(i));
          outliers.set(nearestHalf(values[i]!), ...place(i));
        }
      }
    return { rest, outliers };
  },

  example: {
    inputs: { x: [[[1, 2, 9, 0]]] },
    params: { per: 'token', count: 1 },
    outputs: { rest: [[[1, 2, 3, 3]]], outliers: [[[0, 0, 9, 0]]] },
  },
});

export interface OutlierOptions {
  /** `limits`: the codec knows middle and reach of each channel, and what exceeds them the most stays exact. */
  per: 'channel' | 'token' | 'limits';
  count?: number;
}

/** A codec that keeps outliers beside its codes. */
export function exceptOutliers(codec: Encoding, { per, count: n = 1 }: OutlierOptions): Encoding {
  const { grain } = codec;
  const channel = per === 'channel';
  const bound = exceptOutliersOperator({ per: channel ? 'channel' : 'token', count: n, block: channel ? grain : 32 });
  const kept = per === 'limits' ? n : 2 * n;
  const dims = (D: number) => (channel ? [kept, D] : [kept]);
  const code = (type: Code['type'], role: Code['role']): Code => ({ type, per: channel ? 'batch' : 'entry', dims, role }); // biome-ignore format: one line
  const codes = { ...codec.codes, places: code('u8', 'index'), outliers: code('half', 'payload') };
  const length = (g: GraphBuilder) => (channel ? grain : g.sizes.D!);
  const beyond = (g: GraphBuilder, x: Value, { middle, reach }: Values) =>
    g.sub(g.abs(g.sub(x, overEntries(g, middle!))), g.abs(overEntries(g, reach!)));
  return {
    ...codec,
    title: `${codec.title}, ${per === 'limits' ? `${n} a token beyond its limits exact` : bound.title}`,
    name: `${codec.name}, except ${n} per ${per}`,
    codes,
    write(g, x, known = {}) {
      const found = per === 'limits' ? farthest(g, x, beyond(g, x, known), n, true) : undefined;
      const { rest, ...most } = found ? { rest: x, ...found } : split(g, inBlocks(g, x, per, grain), length(g), n);
      return { ...codec.write(g, asRows(g, rest), known), places: g.cast(most.places, 'u8'), outliers: most.values };
    },
    read(g, stored) {
      const vectors = inBlocks(g, codec.read(g, stored), per, grain);
      const named = (v: Value) => ({ ...g.cast(v, 'f32'), dims: v.dims.map((d, i) => (i < axis ? vectors.dims[i]! : d)) }); // biome-ignore format: one line
      const found = { places: named(stored.places!), values: named(stored.outliers!) };
      return asRows(g, placed(g, vectors, found, length(g)));
    },
    dot: undefined,
    mix: undefined,
    claimedBytes: claimedOf(codes, grain),
  };
}
