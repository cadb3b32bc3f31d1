/** Gate regression: from its hidden state, will a token be among those that later queries look at?
 *
 *  Stands in for the trained modules of Attention-Gate (arXiv:2410.12876): labels are the top share of tokens by the attention
 *  that the second half of the queries gives them (largest over the group); ridge regression for each layer; then each head's
 *  threshold is set so that `keep` of the tokens pass. */
import { regression } from '../algebra/ridge.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { Capture, Fit } from './fit.ts';

export function gateRegression({ keep = 0.5, count = 2, tokens = 512, strength = 0.01, seed = 0 } = {}): Fit {
  return {
    name: `gate-regression ${keep} ${count} ${tokens} ${strength} ${seed}`,
    samples: 'prose',
    seed,
    count,
    tokens,
    needs: [{ of: 'attention' }, { of: 'hidden' }],
    gives: { gate: { dtype: 'f32', dims: ['L', 'Hkv', 'X'] }, bias: { dtype: 'f32', dims: ['L', 'Hkv'] } },
    start() {
      const layers: { sums: ReturnType<typeof regression>; hidden: Tensor[] }[] = [];
      let kvHeads = 0;
      return {
        see(capture) {
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
        },
        async give(pause) {
          const X = layers[0]?.hidden[0]?.dims[1] ?? 0;
          const [gate, bias] = [tensor([layers.length, kvHeads, X]), tensor([layers.length, kvHeads])];
          for (const [l, { sums, hidden }] of layers.entries()) {
            await pause(l / layers.length);
            for (const [h, { weights }] of sums.solve(strength).entries()) {
              gate.data.set(weights, (l * kvHeads + h) * X);
              bias.set(-threshold(hidden, weights, keep), l, h);
            }
          }
          return { gate, bias };
        },
      };
    },
  };
}

/** A reading that no token falls below. */
const everyone = -1e4;

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

/** The reading that about `keep` of all tokens are above; between two different readings, since in the first layer equal
 *  tokens read alike and none of them should stand on the edge. */
function threshold(hidden: readonly Tensor[], weights: Float64Array, keep: number): number {
  if (keep >= 1) return everyone;
  const readings = hidden.flatMap(({ dims, data }) =>
    Array.from({ length: dims[0]! }, (_, t) =>
      weights.reduce((sum, w, x) => sum + w * data[t * weights.length + x]!, 0),
    ),
  );
  readings.sort((a, b) => b - a);
  const alike = 1e-6 * Math.max(...readings.map(Math.abs));
  const edges = readings.map((_, i) => i).filter((i) => i > 0 && readings[i - 1]! - readings[i]! > alike);
  const off = (i: number) => Math.abs(i - keep * readings.length);
  const edge = edges.reduce((best, i) => (off(i) < off(best) ? i : best), edges[0] ?? 0);
  return edge ? (readings[edge - 1]! + readings[edge]!) / 2 : everyone;
}
