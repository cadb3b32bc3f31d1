/** Local norms: an entry counts if its key and its value are long among their neighbours.
 *
 *  Sengupta et al. 2025, "CUR decomposition for KV cache compression" (CurDKV), arXiv:2509.15038, in NVIDIA kvpress: the
 *  squared lengths, each divided by its sum in windows of `local` entries, multiplied; the first `sinks` score 1. */
import { eachHead, lengthOf, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { choice, count } from '../params.ts';
import { heldInOrder } from './columns.ts';

export const localNorms = operator({
  name: 'local-norms',
  kind: 'score',
  scope: 'head',
  title: ({ of, local }) => `${of} norms within ${local}`,
  paper: 'arXiv:2509.15038',
  params: {
    of: choice(['product', 'keys', 'values', 'mean'], 'product', 'how the shares of key and value become one score'),
    local: count({ default: 16, min: 1, unit: 'entries', note: 'entries of a window' }),
    sinks: count({ default: 4, note: 'first entries, which always stay' }),
  },
  needs: () => [{ of: 'keys' }, { of: 'values' }],
  inputs: { keys: heldInOrder, values: heldInOrder },
  outputs: { score: f32(['Hkv', 'T']) },

  reference({ keys, values }, { of, local, sinks }) {
    const [Hkv, T] = keys!.dims as [number, number];
    const score = eachHead(Hkv, T, (h) => {
      const [ofKeys, ofValues] = [keys!, values!].map((x) => {
        const squares = rowsOf(x, h).map((row) => lengthOf(row) ** 2);
        return squares.map((v, t) => {
          const from = Math.floor(t / local) * local;
          return v / (sumOf(squares.slice(from, from + local)) || 1);
        });
      }) as [number[], number[]];
      const joint = ofKeys.map((k, t) => {
        const v = ofValues[t]!;
        return { product: k * v, keys: k, values: v, mean: (k + v) / 2 }[of];
      });
      const all = sumOf(joint) || 1;
      return joint.map((v, t) => (t < sinks ? 1 : v / all));
    });
    return { score };
  },

  example: {
    // Squared lengths 1, 3 | 4: shares 1/4, 3/4 and 1; squared 1/16, 9/16 and 1; of their sum 1/26, 9/26, 16/26.
    inputs: { keys: [[[1], [Math.sqrt(3)], [2]]], values: [[[1], [Math.sqrt(3)], [2]]] },
    params: { local: 2, sinks: 0 },
    outputs: { score: [[1 / 26, 9 / 26, 16 / 26]] },
  },
});
