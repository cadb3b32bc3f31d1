/** Hadamard rotation: every channel becomes a signed mean of all, so that no channel is an outlier any more.
 *
 *  x' = x W with the orthonormal, symmetric W of entries +-1/sqrt(n), which is its own inverse. `heads` mixes the KV heads of a
 *  layer as well. Su et al. 2025, "RotateKV", arXiv:2501.16383. Departure: where a width is no power of two, I - 2/n takes the
 *  place of W (3 heads). */
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { f32, operator } from '../operator.ts';
import { flag, type ParamValues } from '../params.ts';
import { tensor } from '../tensor.ts';
import type { Transform } from './encoding.ts';

const params = { heads: flag(false, 'mix the KV heads of a layer too') };

/** Number i, j of the orthonormal, symmetric mixing of n numbers. */
export function mixing(n: number, i: number, j: number): number {
  if ((n & (n - 1)) !== 0) return (i === j ? 1 : 0) - 2 / n;
  let odd = 0;
  for (let bits = i & j; bits; bits &= bits - 1) odd ^= 1;
  return (odd ? -1 : 1) / Math.sqrt(n);
}
const matrix = (g: GraphBuilder, n: number): Value =>
  g.constant(
    'f32',
    Array.from({ length: n * n }, (_, at) => mixing(n, Math.floor(at / n), at % n)),
    [n, n],
  );

function rotate(g: GraphBuilder, x: Value, { heads }: ParamValues<typeof params>): Value {
  const within = g.matMul(x, matrix(g, g.sizes.D!)); // [H, T, D]
  const H = typeof x.dims[0] === 'number' ? x.dims[0] : g.sizes[x.dims[0]!]!;
  if (!heads || H === 1) return within;
  const flat = g.reshape(within, [H, 'TD']);
  return g.reshape(g.matMul(matrix(g, H), flat), [x.dims[0]!, x.dims[1]!, 'D']);
}

export const hadamardOperator = operator({
  name: 'hadamard',
  kind: 'encode',
  scope: 'layer',
  title: ({ heads }) => (heads ? 'rotated across heads' : 'rotated'),
  paper: 'arXiv:2501.16383',
  departures: ['I - 2/n mixes a number of heads that is no power of two'],
  params,
  inputs: { x: f32(['Hkv', 'T', 'D']) },
  outputs: { rotated: f32(['Hkv', 'T', 'D']) },
  cost: ({ Hkv = 1, T = 1, D = 1 }) => ({ flops: 2 * Hkv * T * D * D, bytes: 4 * Hkv * T * D }),

  graph: (g, { x }, o) => ({ rotated: rotate(g, x!, o) }),

  reference({ x }, { heads }) {
    const [H, T, D] = x!.dims as [number, number, number];
    const [within, rotated] = [tensor([H, T, D]), tensor([H, T, D])];
    for (let h = 0; h < H; h++)
      for (let t = 0; t < T; t++)
        for (let d = 0; d < D; d++)
          for (let from = 0; from < D; from++) within.add(x!.get(h, t, from) * mixing(D, from, d), h, t, d);
    if (!heads || H === 1) return { rotated: within };
    for (let h = 0; h < H; h++)
      for (let from = 0; from < H; from++)
        for (let t = 0; t < T; t++)
          for (let d = 0; d < D; d++) rotated.add(mixing(H, h, from) * within.get(from, t, d), h, t, d);
    return { rotated };
  },

  example: {
    inputs: { x: [[[8, 0, 0, 0]]] },
    outputs: { rotated: [[[4, 4, 4, 4]]] },
  },
});

export const hadamard = (given: Partial<ParamValues<typeof params>> = {}): Transform => {
  const bound = hadamardOperator(given);
  const turn = (g: GraphBuilder, x: Value) => rotate(g, x, bound.params);
  return {
    ...bound,
    transform: bound.title,
    joint: bound.params.heads,
    linear: !bound.params.heads,
    forward: turn,
    inverse: turn,
  };
};
