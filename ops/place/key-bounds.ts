/** Key bounds: the smallest and the largest value of each channel over the keys of a page.
 *
 *  Tang et al. 2024, "Quest", arXiv:2406.10774, section 3.2. Whatever the query, no key of the page can give a larger product
 *  than these bounds allow. */
import { perElement } from '../cost.ts';
import { rowsOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { held } from '../score/columns.ts';
import { tensor } from '../tensor.ts';

export const keyBounds = operator({
  name: 'key-bounds',
  kind: 'place',
  scope: 'head',
  title: 'bounds of the keys',
  paper: 'arXiv:2406.10774',
  params: {},
  needs: () => [{ of: 'keys' }],
  inputs: { keys: held },
  outputs: { low: f32(['Hkv', 'D']), high: f32(['Hkv', 'D']) },
  cost: perElement(2, 'Hkv', 'T', 'D'),

  graph: (g, { keys }) => ({ low: g.reduceMin(keys!, 'T'), high: g.reduceMax(keys!, 'T') }),

  reference({ keys }) {
    const [Hkv, , D] = keys!.dims as [number, number, number];
    const bound = (pick: (...values: number[]) => number) => {
      const out = tensor([Hkv, D]);
      for (let h = 0; h < Hkv; h++)
        for (let d = 0; d < D; d++) out.set(pick(...rowsOf(keys!, h).map((row) => row[d]!)), h, d);
      return out;
    };
    return { low: bound(Math.min), high: bound(Math.max) };
  },

  example: {
    inputs: { keys: [[[1, -2], [-1, 3]]] }, // biome-ignore format: one row a key
    outputs: { low: [[-1, -2]], high: [[1, 3]] },
  },
});
