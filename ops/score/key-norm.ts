/** Key norm: keys with a small norm collect attention, so a key's score is minus its length.
 *
 *  Devoto et al. 2024, "A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression", arXiv:2406.11430.
 *  Rotary positions do not change a norm, so the score is given once, at birth. */
import { perElement } from '../cost.ts';
import { f32, operator } from '../operator.ts';
import { tensor } from '../tensor.ts';

export const keyNorm = operator({
  name: 'key-norm',
  kind: 'score',
  scope: 'head',
  title: 'small key norm',
  paper: 'arXiv:2406.11430',
  params: {},
  needs: () => [{ of: 'keys' }],
  inputs: { keys: f32(['Hkv', 'Q', 'D']) },
  outputs: { score: f32(['Hkv', 'Q']) },
  cost: perElement(2, 'Hkv', 'Q', 'D'),

  graph: (g, { keys }) => ({ score: g.neg(g.sqrt(g.reduceSumSquare(keys!, 'D'))) }), // [Hkv, Q]

  reference({ keys }) {
    const [Hkv, Q, D] = keys!.dims as [number, number, number];
    const score = tensor([Hkv, Q]);
    for (let h = 0; h < Hkv; h++)
      for (let q = 0; q < Q; q++) {
        let squares = 0;
        for (let d = 0; d < D; d++) squares += keys!.get(h, q, d) ** 2;
        score.set(-Math.sqrt(squares), h, q);
      }
    return { score };
  },

  example: { inputs: { keys: [[[3, 4], [0, 1]]] }, outputs: { score: [[-5, -1]] } }, // biome-ignore format: one row a key
});
