/** Echo heads: on random text that repeats, which heads look back at earlier copies of the token, or at what came after them.
 *
 *  Tang et al. 2024, "RazorAttention", arXiv:2407.15891: retrieval heads are the top share by echo and the top share by
 *  induction. Departure: shorter text (128 tokens, four times) than the authors' 2,500. */
import type { Tensor } from '../tensor.ts';
import type { Fit } from './fit.ts';
import { addBestOfGroups, bestHeads, checkShare, eitherClass } from './head-classes.ts';

export function echoHeads({ echo = 0.01, induction = 0.14, period = 128, seed = 0 } = {}): Fit {
  checkShare('echo-heads', 'echo', echo);
  checkShare('echo-heads', 'induction', induction);
  return {
    name: `echo-heads ${echo} ${induction} ${period} ${seed}`,
    samples: 'repeated random',
    seed,
    count: 1,
    tokens: 4 * period,
    needs: [{ of: 'attention' }],
    gives: { retrieval: { dtype: 'f32', dims: ['L', 'Hkv'] } },
    start() {
      const [echoes, inductions]: [number[][], number[][]] = [[], []];
      return {
        see(capture) {
          addBestOfGroups(echoes, capture, (attention, head) => repeatMass(attention, head, period, 0));
          addBestOfGroups(inductions, capture, (attention, head) => repeatMass(attention, head, period, 1));
        },
        give: async () => ({ retrieval: eitherClass(bestHeads(echoes, echo), bestHeads(inductions, induction)) }),
      };
    },
  };
}

/** Mean attention of a query head on all earlier copies of the current token, `shift` places on. */
export function repeatMass(attention: Tensor, queryHead: number, period: number, shift: number): number {
  const T = attention.dims[2]!;
  let sum = 0;
  for (let i = period; i < T; i++)
    for (let j = (i % period) + shift; j <= i - period + shift; j += period) sum += attention.get(queryHead, i, j);
  return sum / Math.max(1, T - period);
}
