/** Tiled attention: exact, tile by tile with a running maximum and sum, so that no row of the attention matrix is needed whole.
 *
 *  Over tiles: m' = max(m, max s), l <- e^(m - m') l + sum e^(s - m'), o <- e^(m - m') o + e^(s - m') V; at the end o / l.
 *  Dao et al. 2022, "FlashAttention", arXiv:2205.14135, section 3. Departure: the graph computes all tiles of a step side by
 *  side and joins them by the same rescaling, which is associative; the loop is the reference. */
import { perElement } from '../cost.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { tensor } from '../tensor.ts';
import { type Attend, type Read, rows, type Told } from './rows.ts';

/** Logits that nobody may see. */
export const unseen = -1e30;

/** Reads cut into tiles of a fixed length: logits [H, N, R, tile] and values [H, N, tile, D]; what is missing is unseen. */
export function tilesOf(g: GraphBuilder, { logits, values }: Read, tile: number): Read {
  const length = g.slice(g.shape(logits), 0, 2, 3, 1); // i64 [1]
  const whole = g.constant('i64', [tile], [1]);
  const over = g.node('Mod', [length, whole], [{ type: 'i64', dims: [1] }])[0]!;
  const missing = g.node('Mod', [g.sub(whole, over), whole], [{ type: 'i64', dims: [1] }])[0]!;
  const pads = g.concat([g.constant('i64', [0], [1]), missing], 0);
  const [head, rowsAxis] = logits.dims as [string, string];
  const cut = g.reshape(g.pad(logits, 0, pads, unseen, 'P+'), [head, rowsAxis, 'N', tile]);
  // Padding a transposed tensor would be quicker said, but the graph optimizer then breaks on WebGPU.
  const across = g.node(
    'Pad',
    [values, pads, g.scalar(0), g.constant('i64', [1], [1])],
    [{ type: values.type, dims: [head, 'P+', values.dims[2]!] }],
  )[0]!;
  return { logits: g.transpose(cut, [0, 2, 1, 3]), values: g.reshape(across, [head, 'N', tile, values.dims[2]!]) };
}

/** The output of all reads, each in tiles, joined by their maxima. */
export function joinTiles(g: GraphBuilder, reads: readonly Read[], tile: number): Told {
  const parts = reads.map((read) => {
    const { logits, values } = tilesOf(g, read, tile);
    const most = g.reduceMax(logits, 3, true); // [H, N, R, 1]
    const weights = g.exp(g.sub(logits, most));
    return { most, sum: g.reduceSum(weights, 3, true), output: g.matMul(weights, values) };
  });
  const top = parts.map(({ most }) => g.reduceMax(most, 1, true)).reduce((a, b) => g.max(a, b)); // [H, 1, R, 1]
  const joined = (name: 'sum' | 'output') =>
    parts
      .map((part) => g.reduceSum(g.mul(part[name], g.exp(g.sub(part.most, top))), 1)) // [H, R, 1 or D]
      .reduce((a, b) => g.add(a, b));
  const sum = joined('sum');
  return { output: g.div(joined('output'), sum), lse: g.add(g.log(sum), g.squeeze(top, 1)) };
}

/** Numbers read and written for one head of L tokens: with tiles of queries, or the whole matrix four times. */
export const elementTraffic = (L: number, D: number, queryTile?: number): number =>
  queryTile ? Math.ceil(L / queryTile) * 2 * L * D + 2 * L * D : 4 * L * L + 4 * L * D;

export const tiledOperator = operator({
  name: 'tiled',
  kind: 'attend',
  scope: 'head',
  title: ({ tile }) => `tiles of ${tile} keys`,
  paper: 'arXiv:2205.14135',
  departures: ['the graph computes all tiles side by side; the loop is the reference'],
  params: { tile: count({ default: 64, min: 1, unit: 'keys', note: 'keys of a tile' }) },
  inputs: {
    logits: f32(['Hkv', 'Q', 'T'], { values: 'products', pad: unseen }),
    values: f32(['Hkv', 'T', 'D'], { pad: 0 }),
  },
  outputs: { output: f32(['Hkv', 'Q', 'D']), lse: f32(['Hkv', 'Q', 1]) },
  cost: perElement(4, 'Hkv', 'Q', 'T'),
  variants: [{ tile: 1 }, { tile: 7 }, { tile: 1000 }],

  graph(g, { logits, values }, { tile }) {
    const { output, lse } = joinTiles(g, [{ logits: logits!, values: values! }], tile);
    return { output, lse };
  },

  reference({ logits, values }, { tile }) {
    const [H, Q, T] = logits!.dims as [number, number, number];
    const D = values!.dims[2]!;
    const [output, lse] = [tensor([H, Q, D]), tensor([H, Q, 1])];
    for (let h = 0; h < H; h++)
      for (let q = 0; q < Q; q++) {
        let [m, l] = [unseen, 0];
        let o = new Array<number>(D).fill(0);
        for (let from = 0; from < T; from += tile) {
          const keys = Array.from({ length: Math.min(tile, T - from) }, (_, i) => from + i);
          const next = Math.max(m, ...keys.map((t) => logits!.get(h, q, t)));
          const kept = Math.exp(m - next);
          const weights = keys.map((t) => Math.exp(logits!.get(h, q, t) - next));
          l = kept * l + weights.reduce((a, b) => a + b);
          o = o.map((v, d) => kept * v + keys.reduce((sum, t, i) => sum + weights[i]! * values!.get(h, t, d), 0));
          m = next;
        }
        o.forEach((v, d) => {
          output.set(v / l, h, q, d);
        });
        lse.set(m + Math.log(l), h, q, 0);
      }
    return { output, lse };
  },

  example: {
    // After the first tile m 2, l 1.3679, o 2.3679; the second scales both by 0.3679: l 1.5032, o 5.8711.
    inputs: { logits: [[[1, 2, 3]]], values: [[[1], [2], [5]]] }, // biome-ignore format: one line
    params: { tile: 2 },
    outputs: { output: [[[3.9056923]]], lse: [[[3.407606]]] },
  },
});

/** `queryTile` counts in the traffic that is reported; a step of the engine reads its queries together. */
export const tiled = (given: { tile?: number } = {}): Attend => {
  const bound = tiledOperator(given);
  return { ...rows(), ...bound, mix: (g, reads) => joinTiles(g, reads, bound.params.tile) };
};
