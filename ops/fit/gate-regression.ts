/** Gate regression: from its hidden state, will a token be among those that later queries look at?
 *
 *  Stands in for the trained modules of Attention-Gate (arXiv:2410.12876): labels are the top share of tokens by the attention
 *  that the second half of the queries gives them (largest over the group); ridge regression for each layer; then each head's
 *  threshold is set so that `keep` of the tokens pass. */
import { regression } from '../algebra/ridge.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { Capture, Fit } from './fit.ts';

export function gateRegression({ keep = 0.5, count = 2, tokens = 512, strength = 0.01 } = {}): Fit {
  return {
    name: `gate-regression ${keep} ${count} ${tokens} ${strength}`,
    samples: 'prose',
    count,
    tokens,
    needs: [{ of: 'attention' }, { of: 'hidden' }],
    gives: { gate: { dtype: 'f32', dims: ['L', 'Hkv', 'X'] }, bias: { dtype: 'f32', dims: ['L', 'Hkv'] } },
    async compute(captures) {
      const layers: { sums: ReturnType<typeof regression>; hidden: Tensor[] }[] = [];
      let kvHeads = 0;
      for await (const capture of captures) {
        const hidden = capture.tensors.hidden!;
        const [T, X] = hidden.dims as [number, number];
        kvHeads = capture.kvHeads;
        const layer = (layers[capture.layer] ??= { sums: regression(X, kvHeads), hidden: [] });
        const wanted = lookedAt(capture, keep);
        for (let t = 0; t < T; t++)
          layer.sums.add(
            hidden.data.subarray(t * X, (t + 1) * X),
            wanted.map((labels) => labels[t]!),
          );
        layer.hidden.push(hidden);
      }
      const X = layers[0]?.hidden[0]?.dims[1] ?? 0;
      const [gate, bias] = [tensor([layers.length, kvHeads, X]), tensor([layers.length, kvHeads])];
      for (const [l, { sums, hidden }] of layers.entries())
        for (const [h, { weights }] of sums.solve(strength).entries()) {
          gate.data.set(weights, (l * kvHeads + h) * X);
          bias.set(-threshold(hidden, weights, keep), l, h);
        }
      return { gate, bias };
    },
  };
}

/** 1 for the tokens of each key head that the second half of the queries look at most, else 0. */
function lookedAt({ tensors, kvHeads }: Capture, keep: number): number[][] {
  const attention = tensors.attention!;
  const [Hq, T] = attention.dims as [number, number];
  const G = Hq / kvHeads;
  const received = Array.from({ length: Hq }, (_, h) =>
    Array.from({ length: T }, (_, t) => {
      let sum = 0;
      for (let q = Math.floor(T / 2); q < T; q++) sum += attention.get(h, q, t);
      return sum;
    }),
  );
  return Array.from({ length: kvHeads }, (_, h) => {
    const best = received[h * G]!.map((_, t) => Math.max(...received.slice(h * G, (h + 1) * G).map((row) => row[t]!)));
    const order = best.map((_, t) => t).sort((a, b) => best[b]! - best[a]! || a - b);
    const labels = new Array<number>(T).fill(0);
    for (const t of order.slice(0, Math.round(keep * T))) labels[t] = 1;
    return labels;
  });
}

/** The reading that `keep` of all tokens are above. */
function threshold(hidden: readonly Tensor[], weights: Float64Array, keep: number): number {
  const readings = hidden.flatMap(({ dims, data }) =>
    Array.from({ length: dims[0]! }, (_, t) =>
      weights.reduce((sum, w, x) => sum + w * data[t * weights.length + x]!, 0),
    ),
  );
  readings.sort((a, b) => b - a);
  const last = Math.min(readings.length, Math.max(1, Math.round(keep * readings.length)));
  return ((readings[last - 1] ?? 0) + (readings[last] ?? readings[last - 1] ?? 0)) / 2;
}
