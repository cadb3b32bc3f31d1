/** Blend: several scores become one, each brought to one scale first.
 *
 *  Used where a paper mixes signals: attention, entropy and gradient (CRITIC), global and local attention (EMS). */
import { perElement } from '../cost.ts';
import { type Bound, f32, operator } from '../operator.ts';
import { choice } from '../params.ts';
import { tensor } from '../tensor.ts';

export const blendOperator = operator({
  name: 'blend',
  kind: 'score',
  scope: 'head',
  title: ({ by }) => (by === 'max' ? 'largest of several scores' : 'weighted sum of scores'),
  params: {
    by: choice(['sum', 'max'], 'sum', 'how scores of one entry become one'),
    scale: choice(['range', 'share', 'none'], 'range', 'range: minimum 0 and maximum 1 in each head; share: sum 1'),
  },
  inputs: { scores: f32(['N', 'Hkv', 'T']), weights: f32(['N', 1, 1]) },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(4, 'N', 'Hkv', 'T'),

  graph(g, { scores, weights }, { by, scale }) {
    const low = scale === 'range' ? g.reduceMin(scores!, 'T', true) : undefined; // [N, Hkv, 1]
    const from0 = low ? g.sub(scores!, low) : scores!; // [N, Hkv, T]
    const size = scale === 'range' ? g.reduceMax(from0, 'T', true) : g.reduceSum(from0, 'T', true); // [N, Hkv, 1]
    const scaled = scale === 'none' ? from0 : g.div(from0, g.where(g.equal(size, 0), 1, size));
    const weighted = g.mul(scaled, weights!); // [N, Hkv, T]
    return { score: by === 'max' ? g.reduceMax(weighted, 'N') : g.reduceSum(weighted, 'N') };
  },

  reference({ scores, weights }, { by, scale }) {
    const [N, Hkv, T] = scores!.dims as [number, number, number];
    const score = tensor([Hkv, T]);
    for (let h = 0; h < Hkv; h++) {
      const parts = Array.from({ length: N }, (_, n) => {
        const row = Array.from({ length: T }, (_, t) => scores!.get(n, h, t));
        const low = scale === 'range' ? Math.min(...row) : 0;
        const size = scale === 'range' ? Math.max(...row) - low : row.reduce((a, b) => a + b, 0);
        return row.map((v) => weights!.get(n, 0, 0) * (scale === 'none' ? v : (v - low) / (size || 1)));
      });
      for (let t = 0; t < T; t++) {
        const here = parts.map((part) => part[t]!);
        score.set(by === 'max' ? Math.max(...here) : here.reduce((a, b) => a + b, 0), h, t);
      }
    }
    return { score };
  },

  example: {
    inputs: { scores: [[[0, 2, 4]], [[1, 1, 0]]], weights: [[[0.5]], [[0.25]]] },
    outputs: { score: [[0.25, 0.5, 0.5]] },
  },
  tolerance: 1e-4,
});

/** A score made of scores: each part keeps a column of its own, and a keep pass blends the columns of each head. */
export interface Blend extends Bound {
  readonly parts: Readonly<Record<string, { score: Bound; weight: number }>>;
}

export function blend(
  by: 'sum' | 'max',
  parts: Readonly<Record<string, Bound>>,
  {
    weights = {},
    scale = 'range',
  }: { weights?: Readonly<Record<string, number>>; scale?: 'range' | 'share' | 'none' } = {},
): Blend {
  const bound = blendOperator({ by, scale });
  const weighted = Object.entries(parts).map(([name, score]) => [name, { score, weight: weights[name] ?? 1 }] as const);
  return {
    ...bound,
    title: `${by} of ${weighted.map(([name, { weight }]) => `${weight === 1 ? '' : `${weight} `}${name}`).join(', ')}`,
    needs: Object.values(parts).flatMap((score) => score.needs),
    parts: Object.fromEntries(weighted),
  };
}
