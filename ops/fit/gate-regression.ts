/** Gate regression: from its hidden state, how much attention will a token draw?
 *
 *  Stands in for the trained modules of Attention-Gate (arXiv:2410.12876), whose loss keeps what the model says: the labels are
 *  logarithms of the attention that a token draws from the queries behind it, the largest of the group. Ridge regression for each layer; then each head's threshold is set so that `keep`
 *  of the tokens pass. */
import { regression } from '../algebra/ridge.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { Capture, Fit } from './fit.ts';

export function gateRegression({ keep = 0.5, count = 2, tokens = 512, strength = 0.3, seed = 0 } = {}): Fit {
  if (!(keep > 0 && keep <= 1))
    throw new RangeError(`fit gate-regression: keep is ${keep}; give a share of the tokens above 0 and up to 1`);
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
          const labels = drawn(capture, Math.min(window, T >> 1));
          labels[0]!.forEach((_, t) => {
            layer.sums.add(
              hidden.data.subarray(t * X, (t + 1) * X),
              labels.map((own) => own[t]!),
            );
          });
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

/** Queries behind a token whose attention it is judged by: as many for each token. */
const window = 64;

/** A reading that no token falls below. */
const everyone = -1e4;

/** For each key head and token ln of the attention that it draws from the `window` queries behind it. */
export function drawn({ tensors, kvHeads }: Capture, window: number): number[][] {
  const { dims, data } = tensors.attention!;
  const [Hq, T] = dims as [number, number];
  const G = Hq / kvHeads;
  const ofHead = (h: number): Float64Array => {
    const sums = new Float64Array(T - window);
    for (let t = 0; t < sums.length; t++)
      for (let q = t + 1; q <= t + window; q++) sums[t]! += data[(h * T + q) * T + t]!;
    return sums;
  };
  return Array.from({ length: kvHeads }, (_, h) => {
    const members = Array.from({ length: G }, (_, m) => ofHead(h * G + m));
    return Array.from(members[0]!, (_, t) => Math.log(Math.max(1e-6, ...members.map((sums) => sums[t]!))));
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
