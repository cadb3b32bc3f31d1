/** Output gradient: an entry counts if a small change of its key or value would change what attention gave in this step.
 *
 *  CRITIC (tier-1 system critic-porag), score 3: the gradient of the mean squared difference between the output of a query
 *  and of the one before it, in closed form: dO = 2 (O - P) / D, dV = Aᵀ dO, dS = A (dO Vᵀ - sum of A dO Vᵀ),
 *  dK = dSᵀ q / sqrt D. Score = the absolute gradients of key and value, summed over queries, channels and group. */
import type { Value } from '../graph/builder.ts';
import { eachHead, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { tensor } from '../tensor.ts';
import { held } from './columns.ts';

export const outputGradient = operator({
  name: 'output-gradient',
  kind: 'score',
  scope: 'head',
  title: 'gradient of the change of the output',
  params: {},
  needs: () => [{ of: 'attention' }, { of: 'outputs' }, { of: 'queries', rotated: true }, { of: 'values' }],
  inputs: {
    attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0 }),
    queries: f32(['Hq', 'Q', 'D']),
    outputs: f32(['Hq', 'Q', 'D']),
    values: held,
  },
  state: { previous: f32(['Hq', 'D']) },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: ({ Hq = 1, Q = 1, T = 1, D = 1 }) => ({ flops: 8 * Hq * Q * T * D, bytes: 4 * Hq * Q * T }),

  graph(g, { attention, queries, outputs, values, previous }) {
    const [D, G] = [g.sizes.D!, g.sizes.G!];
    const earlier = g.slice(outputs!, 'Q', 0, -1, 'Q-1');
    const before = g.concat([g.unsqueeze(previous!, 1), earlier], 1, 'Q'); // [Hq, Q, D]
    const change = g.mul(g.sub(outputs!, before), 2 / D); // [Hq, Q, D]
    const parts = Array.from({ length: G }, (_, m): Value => {
      const own = (x: Value) => g.slice(x, 'Hq', m, 2 ** 31, 'Hkv', G);
      const rows = own(attention!); // [Hkv, Q, T]
      const gain = g.mul(rows, g.matMul(own(change), g.transpose(values!, [0, 2, 1]))); // [Hkv, Q, T]
      const slope = g.sub(gain, g.mul(rows, g.reduceSum(gain, 'T', true)));
      const ofValues = g.matMul(g.transpose(rows, [0, 2, 1]), own(change)); // [Hkv, T, D]
      const ofKeys = g.div(g.matMul(g.transpose(slope, [0, 2, 1]), own(queries!)), Math.sqrt(D)); // [Hkv, T, D]
      return g.reduceSum(g.add(g.abs(ofValues), g.abs(ofKeys)), 'D'); // [Hkv, T]
    });
    const last = g.slice(outputs!, 'Q', -1, 2 ** 31, 1); // [Hq, 1, D]
    return { score: parts.reduce((a, b) => g.add(a, b)), previous: g.squeeze(last, 1) };
  },

  reference({ attention, queries, outputs, values, previous }) {
    const [Hq, Q, D] = queries!.dims as [number, number, number];
    const [Hkv, T] = values!.dims as [number, number];
    const channels = Array.from({ length: D }, (_, d) => d);
    const ofHead = (h: number): { keys: number[][]; values: number[][] } => {
      const kvHead = Math.floor((h * Hkv) / Hq);
      const [ofKeys, ofValues] = [0, 1].map(() => Array.from({ length: T }, () => channels.map(() => 0)));
      for (let q = 0; q < Q; q++) {
        const change = channels.map((d) => {
          const before = q === 0 ? previous!.get(h, d) : outputs!.get(h, q - 1, d);
          return (2 * (outputs!.get(h, q, d) - before)) / D;
        });
        const row = Array.from({ length: T }, (_, t) => attention!.get(h, q, t));
        const gain = row.map((a, t) => a * sumOf(channels.map((d) => change[d]! * values!.get(kvHead, t, d))));
        const all = sumOf(gain);
        row.forEach((a, t) => {
          for (const d of channels) {
            ofValues![t]![d]! += a * change[d]!;
            ofKeys![t]![d]! += ((gain[t]! - a * all) * queries!.get(h, q, d)) / Math.sqrt(D);
          }
        });
      }
      return { keys: ofKeys!, values: ofValues! };
    };
    const gradients = Array.from({ length: Hq }, (_, h) => ofHead(h));
    const score = eachHead(Hkv, T, (kvHead) => {
      const group = gradients.slice((kvHead * Hq) / Hkv, ((kvHead + 1) * Hq) / Hkv);
      const size = (rows: number[][], t: number) => sumOf(rows[t]!.map(Math.abs));
      return Array.from({ length: T }, (_, t) => sumOf(group.map((g) => size(g.keys, t) + size(g.values, t))));
    });
    const last = Array.from({ length: Hq }, (_, h) => channels.map((d) => outputs!.get(h, Q - 1, d))).flat();
    return { score, previous: tensor([Hq, D], last) };
  },

  example: {
    // One channel, weights 1/2 and 1/2 on values 1 and 3: output 2, before it 0; dO = 4, dV = 2 and 2, dS = -2 and 2.
    inputs: { attention: [[[0.5, 0.5]]], queries: [[[3]]], outputs: [[[2]]], values: [[[1], [3]]], previous: [[0]] },
    outputs: { score: [[8, 8]], previous: [[2]] },
  },
  tolerance: 1e-4,
});
