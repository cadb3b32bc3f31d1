/** Low rank: what a codec loses on a block of entries is approximated by a few directions, and added when rows are read.
 *
 *  E = P Q' with P [entries, rank] orthonormal: each round P = orthonormal(E Q), Q = E' P, from a fixed random start.
 *  Kang et al. 2024, "GEAR", arXiv:2403.05527, section 3. P P' E is a projection, so the repair never adds to the error.
 *  Departure: factors for each block of entries, at 16 bits (paper: for the whole prompt, then for each buffer). */
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { roundToHalf } from '../graph/half.ts';
import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { hashedUniform } from '../score/random-score.ts';
import { tensor } from '../tensor.ts';
import { type Code, claimedOf, type Encoding } from './encoding.ts';

const start = (D: number, rank: number): number[] =>
  Array.from({ length: D * rank }, (_, i) => hashedUniform(rank, i, D, 0) - 0.5);
const rounds = 3;
/** Shorter than this share of what it was, a direction is what rounding left of one that is known already. */
const spent = 1e-5;

/** The columns of P [..., n, rank] made orthonormal, one after the other; a column that adds nothing becomes zero. */
function orthonormal(g: GraphBuilder, P: Value, rank: number): Value {
  const axis = P.dims.length - 1;
  const length = (v: Value) => g.sqrt(g.reduceSum(g.mul(v, v), axis - 1, true));
  const columns: Value[] = [];
  for (let r = 0; r < rank; r++) {
    const raw = g.slice(P, axis, r, r + 1, 1); // [..., n, 1]
    let v = raw;
    for (const u of columns) v = g.sub(v, g.mul(u, g.reduceSum(g.mul(u, v), axis - 1, true)));
    const own = length(v);
    const adds = g.greater(own, g.mul(length(raw), spent));
    columns.push(g.where(adds, g.div(v, g.where(adds, own, 1)), 0));
  }
  return g.concat(columns, axis, rank);
}

/** Factors of E [H, B, n, D]: P [H, B, n, rank] and Q [H, B, D, rank]. */
function factors(g: GraphBuilder, E: Value, rank: number): { P: Value; Q: Value } {
  const D = g.sizes.D!;
  const turned = g.transpose(E, [0, 1, 3, 2]); // [H, B, D, n]
  let Q: Value = g.constant('f32', start(D, rank), [D, rank]);
  let P = Q;
  for (let round = 0; round < rounds; round++) {
    P = orthonormal(g, g.matMul(E, Q), rank);
    Q = g.matMul(turned, P);
  }
  return { P, Q };
}
const product = (g: GraphBuilder, P: Value, Q: Value): Value =>
  g.matMul(g.cast(P, 'f32'), g.transpose(g.cast(Q, 'f32'), [0, 1, 3, 2])); // [H, B, n, D]

export const lowRankOperator = operator({
  name: 'low-rank',
  kind: 'encode',
  scope: 'head',
  title: ({ rank }) => `rank ${rank} of what is lost`,
  paper: 'arXiv:2403.05527',
  departures: ['factors for each block of entries', 'factors at 16 bits'],
  params: {
    rank: count({ default: 2, min: 1, max: 8, unit: 'directions', note: 'directions that are kept' }),
    block: count({ default: 64, min: 8, unit: 'entries', note: 'entries that share directions' }),
  },
  inputs: { error: f32(['Hkv', 'T', 'D']) },
  outputs: { repaired: f32(['Hkv', 'T', 'D']) },
  cost: ({ Hkv = 1, T = 1, D = 1 }) => ({ flops: 12 * Hkv * T * D, bytes: 4 * Hkv * T * D }),
  accepts: ({ T = 1, D = 1, Hkv = 1 }, { block }) => ({ Hkv, D, T: Math.ceil(T / block) * block }),
  variants: [
    { rank: 1, block: 8 },
    { rank: 4, block: 16 },
  ],
  // Directions of nearly equal strength turn far on little; their sum hardly moves.
  tolerance: 2e-3,

  graph(g, { error }, { rank, block }) {
    const blocks = g.reshape(error!, [error!.dims[0]!, 'B', block, 'D']);
    const { P, Q } = factors(g, blocks, rank);
    return { repaired: g.reshape(product(g, P, Q), [error!.dims[0]!, 'T', 'D']) };
  },

  reference({ error }, { rank, block }) {
    const [H, T, D] = error!.dims as [number, number, number];
    const repaired = tensor([H, T, D]);
    const dotOf = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
    for (let from = 0; from < H * T; from += block) {
      const E = Array.from({ length: block }, (_, i) => Array.from(error!.data.subarray((from + i) * D, (from + i + 1) * D))); // biome-ignore format: one line
      let Q = Array.from({ length: rank }, (_, r) => start(D, rank).filter((_, i) => i % rank === r));
      let P: number[][] = [];
      for (let round = 0; round < rounds; round++) {
        P = [];
        for (const q of Q) {
          const raw = E.map((row) => dotOf(row, q));
          let v = raw;
          for (const u of P) {
            const along = dotOf(u, v);
            v = v.map((x, i) => x - along * u[i]!);
          }
          const own = Math.sqrt(dotOf(v, v));
          P.push(v.map((x) => (own > spent * Math.sqrt(dotOf(raw, raw)) ? x / own : 0)));
        }
        Q = P.map((u) => Array.from({ length: D }, (_, d) => dotOf(u, E.map((row) => row[d]!)))); // biome-ignore format: one line
      }
      for (let i = 0; i < block; i++)
        for (let d = 0; d < D; d++)
          repaired.data[(from + i) * D + d] = P.reduce((sum, u, r) => sum + u[i]! * Q[r]![d]!, 0);
    }
    return { repaired };
  },

  // One direction is enough for an error of rank one.
  example: {
    inputs: { error: [[[1, 2], [2, 4], [0, 0], [0, 0], [0, 0], [3, 6], [0, 0], [-1, -2]]] }, // biome-ignore format: one line
    params: { rank: 1, block: 8 },
    outputs: { repaired: [[1, 2, 0, 0, 0, 3, 0, -1].map((v) => [v, 2 * v])] },
  },
});

/** A codec that repairs its error by a few directions for each block of entries. */
export function plusLowRank(codec: Encoding, { rank, block }: { rank: number; block: number }): Encoding {
  const bound = lowRankOperator({ rank, block });
  if (block % codec.grain)
    throw new RangeError(
      `encode low-rank: block ${block} is no multiple of ${codec.grain}, the entries that ${codec.name} writes together; give one`,
    );
  if (codec.grain !== block && Object.values(codec.codes).some(({ per }) => per === 'batch'))
    throw new RangeError(
      `encode low-rank: ${codec.name} writes batches of ${codec.grain} entries; give block ${codec.grain}`,
    );
  const factor = (dims: Code['dims']): Code => ({ type: 'half', per: 'batch', dims, role: 'payload' });
  const codes = { ...codec.codes, left: factor(() => [block, rank]), right: factor((D) => [D, rank]) };
  return {
    ...codec,
    title: `${codec.title}, plus ${bound.title}`,
    name: `${codec.name}, plus rank ${rank} of ${block}`,
    grain: block,
    codes,
    write(g, x, known = {}) {
      const written = codec.write(g, x, known);
      const error = g.sub(x, { ...codec.read(g, { ...known, ...written }), dims: x.dims });
      const { P, Q } = factors(g, g.reshape(error, [x.dims[0]!, 'B', block, 'D']), rank);
      return { ...written, left: roundToHalf(g, P), right: roundToHalf(g, Q) };
    },
    read(g, stored) {
      const rows = codec.read(g, stored);
      return g.add(rows, { ...g.reshape(product(g, stored.left!, stored.right!), [rows.dims[0]!, 'T', 'D']), dims: rows.dims }); // biome-ignore format: one line
    },
    dot: undefined,
    mix: undefined,
    claimedBytes: claimedOf(codes, block),
  };
}
