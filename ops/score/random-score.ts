/** Random score: a fixed random number for each entry. The baseline that every other score has to beat.
 *
 *  The number depends on seed, layer, head and position only, so that chunk size and device do not change the choice. */
import { f32, i32, operator } from '../operator.ts';
import { tensor } from '../tensor.ts';

/** A number in [0, 1) from four integers: two rounds of a 32-bit finalizer (Murmur3's constants). */
export function hashedUniform(a: number, b: number, c: number, d: number): number {
  let h = 0x9e3779b9;
  for (const part of [a, b, c, d]) {
    h = Math.imul(h ^ part, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return (h >>> 0) / 4294967296;
}

export const randomScore = operator({
  name: 'random-score',
  kind: 'score',
  scope: 'head',
  title: 'random',
  params: {},
  inputs: { position: i32(['Hkv', 'T'], { values: 'positions' }) },
  outputs: { score: f32(['Hkv', 'T']) },

  reference({ position }, _params, { seed, layer }) {
    const [Hkv, T] = position!.dims as [number, number];
    const score = tensor([Hkv, T]);
    for (let h = 0; h < Hkv; h++)
      for (let t = 0; t < T; t++) score.set(hashedUniform(seed, layer, h, position!.get(h, t)), h, t);
    return { score };
  },

  example: {
    inputs: { position: [[0, 1]] },
    outputs: { score: [[hashedUniform(0, 0, 0, 0), hashedUniform(0, 0, 0, 1)]] },
  },
});
