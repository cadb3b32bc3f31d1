/** Mean key: one key stands for a page, the mean of its keys. What landmark methods compare with the query. */
import { perElement } from '../cost.ts';
import { eachHead, rowsOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { held } from '../score/columns.ts';

export const meanKey = operator({
  name: 'mean-key',
  kind: 'place',
  scope: 'head',
  title: 'mean key',
  params: {},
  needs: () => [{ of: 'keys' }],
  inputs: { keys: held },
  outputs: { key: f32(['Hkv', 'D']) },
  cost: perElement(1, 'Hkv', 'T', 'D'),

  graph: (g, { keys }) => ({ key: g.reduceMean(keys!, 'T') }),

  reference({ keys }) {
    const [Hkv, T, D] = keys!.dims as [number, number, number];
    const mean = (h: number) => {
      const rows = rowsOf(keys!, h);
      return Array.from({ length: D }, (_, d) => sumOf(rows.map((row) => row[d]!)) / T);
    };
    return { key: eachHead(Hkv, D, mean) };
  },

  example: {
    inputs: { keys: [[[1, -2], [-1, 4]]] }, // biome-ignore format: one row a key
    outputs: { key: [[0, 1]] },
  },
});
