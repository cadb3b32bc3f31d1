/** Mean entry: what leaves stays as one entry with the mean key and the mean value, weighted with how many it stands for.
 *
 *  Tang et al. 2024, "RazorAttention", arXiv:2407.15891. The old mean entry is among those that leave, with its weight.
 *  With the weight counted, the result is exact where all keys that left are equal. */
import { perElement } from '../cost.ts';
import { eachHead, rowsOf, sumOf } from '../loops.ts';
import { type Bound, f32, operator } from '../operator.ts';
import { flag } from '../params.ts';
import { tensor } from '../tensor.ts';

export const meanEntryOperator = operator({
  name: 'mean-entry',
  kind: 'compensate',
  scope: 'head',
  title: ({ counted }) => (counted ? 'mean entry, counted' : 'mean entry'),
  paper: 'arXiv:2407.15891',
  params: { counted: flag(true, 'the mean counts as often in the softmax as tokens went into it; otherwise once') },
  needs: () => [{ of: 'keys', rotated: true }, { of: 'values' }],
  inputs: {
    keys: f32(['Hkv', 'T', 'D'], { pad: 0 }),
    values: f32(['Hkv', 'T', 'D'], { pad: 0 }),
    // Tokens that each leaving entry stands for; 0 for those that stay.
    leaving: f32(['Hkv', 'T'], { values: 'shares', pad: 0 }),
  },
  outputs: { key: f32(['Hkv', 'D']), value: f32(['Hkv', 'D']), weight: f32(['Hkv']) },
  cost: perElement(4, 'Hkv', 'T', 'D'),

  graph(g, { keys, values, leaving }, { counted }) {
    const all = g.reduceSum(leaving!, 'T', true); // [Hkv, 1]
    const divisor = g.where(g.equal(all, 0), 1, all);
    const row = g.unsqueeze(g.div(leaving!, divisor), 1); // [Hkv, 1, T]
    const mean = (x: typeof row) => g.squeeze(g.matMul(row, x), 1); // [Hkv, D]
    const weight = counted ? all : g.cast(g.greater(all, 0), 'f32');
    return { key: mean(keys!), value: mean(values!), weight: g.squeeze(weight, 1) };
  },

  reference({ keys, values, leaving }, { counted }) {
    const [Hkv, T, D] = keys!.dims as [number, number, number];
    const weights = (h: number) => Array.from({ length: T }, (_, t) => leaving!.get(h, t));
    const all = Array.from({ length: Hkv }, (_, h) => sumOf(weights(h)));
    const mean = (x: typeof keys) =>
      eachHead(Hkv, D, (h) => {
        const rows = rowsOf(x!, h);
        return Array.from({ length: D }, (_, d) => sumOf(weights(h).map((w, t) => w * rows[t]![d]!)) / (all[h] || 1));
      });
    const weight = all.map((n) => (counted ? n : Number(n > 0)));
    return { key: mean(keys), value: mean(values), weight: tensor([Hkv], weight) };
  },

  example: {
    inputs: { keys: [[[0, 1], [2, 3], [9, 9]]], values: [[[1, 1], [3, 5], [9, 9]]], leaving: [[1, 3, 0]] }, // biome-ignore format: one row an entry
    outputs: { key: [[1.5, 2.5]], value: [[2.5, 4]], weight: [4] },
  },
});

/** A compensation that leaves a synthetic entry (token -1) in a zone of its own, exact, at the position of the last that left. */
export interface Synthetic extends Bound {
  readonly zone: string;
}
export const meanEntry = ({ zone, counted = true }: { zone: string; counted?: boolean }): Synthetic => ({
  ...meanEntryOperator({ counted }),
  zone,
});
