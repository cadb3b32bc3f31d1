/** Mean query: the new queries of all query heads of a group as one, their mean over tokens and their sum over the group.
 *
 *  Xiao et al. 2024, "InfLLM", arXiv:2402.04617, section 3.2. A product with the sum is the sum of the products. */
import { perElement } from '../cost.ts';
import { sumGroups } from '../graph/composites.ts';
import { eachHead, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';

export const meanQuery = operator({
  name: 'mean-query',
  kind: 'fetch',
  scope: 'head',
  title: 'mean query',
  paper: 'arXiv:2402.04617',
  params: {},
  needs: () => [{ of: 'queries' }],
  inputs: { queries: f32(['Hq', 'Q', 'D'], { pad: 0 }) },
  outputs: { query: f32(['Hkv', 'D']) },
  cost: perElement(1, 'Hq', 'Q', 'D'),

  graph: (g, { queries }) => ({ query: sumGroups(g, g.reduceMean(queries!, 'Q')) }),

  reference({ queries }, _, { sizes }) {
    const [Hq, Q, D] = queries!.dims as [number, number, number];
    const { Hkv } = sizes as { Hkv: number };
    const G = Hq / Hkv;
    const sum = (h: number) => {
      const rows = Array.from({ length: G }, (_, member) => rowsOf(queries!, h * G + member)).flat();
      return Array.from({ length: D }, (_, d) => sumOf(rows.map((row) => row[d]!)) / Q);
    };
    return { query: eachHead(Hkv, D, sum) };
  },

  example: {
    inputs: { queries: [[[2, 1], [4, 3]], [[1, 1], [1, 1]]] }, // biome-ignore format: one list a query head
    sizes: { Hq: 2, Hkv: 1, G: 2 },
    outputs: { query: [[4, 3]] },
  },
});
