/** Trained gate: a linear reader of the hidden state says, for each key head, how likely a token will be looked at.
 *
 *  Zeng et al. 2024, "In-context KV-Cache Eviction for LLMs via Attention-Gate", arXiv:2410.12876. Given once, at birth.
 *  Departures: linear in the token's own hidden state, fitted by regression, in place of a trained attention module. */
import { perElement } from '../cost.ts';
import type { Fit } from '../fit/fit.ts';
import { sumOf } from '../loops.ts';
import { type Bound, f32, operator } from '../operator.ts';
import { tensor } from '../tensor.ts';

export const trainedGateOperator = operator({
  name: 'trained-gate',
  kind: 'score',
  scope: 'layer',
  title: 'gate on the hidden state',
  paper: 'arXiv:2410.12876',
  departures: ['a linear reader of the own hidden state, fitted by regression'],
  params: {},
  needs: () => [{ of: 'hidden' }],
  inputs: { hidden: f32(['Q', 'X']), gate: f32(['Hkv', 'X']), bias: f32(['Hkv']) },
  outputs: { score: f32(['Hkv', 'Q']) },
  cost: perElement(2, 'Q', 'X', 'Hkv'),

  graph(g, { hidden, gate, bias }) {
    const read = g.matMul(gate!, g.transpose(hidden!, [1, 0])); // [Hkv, Q]
    return { score: g.sigmoid(g.add(read, g.unsqueeze(bias!, 1))) };
  },

  reference({ hidden, gate, bias }) {
    const [Q, X] = hidden!.dims as [number, number];
    const Hkv = gate!.dims[0]!;
    const score = tensor([Hkv, Q]);
    for (let h = 0; h < Hkv; h++)
      for (let q = 0; q < Q; q++) {
        const read = sumOf(Array.from({ length: X }, (_, x) => gate!.get(h, x) * hidden!.get(q, x)));
        score.set(1 / (1 + Math.exp(-read - bias!.get(h))), h, q);
      }
    return { score };
  },

  example: {
    inputs: { hidden: [[1, 2], [0, 0]], gate: [[1, -1]], bias: [1] }, // biome-ignore format: one row a token
    outputs: { score: [[0.5, 0.731058578]] },
  },
  tolerance: 1e-4,
});

/** The gate with the fit that gives its weights. */
export const trainedGate = (fit: Fit): Bound => ({ ...trainedGateOperator(), fits: [fit] });
