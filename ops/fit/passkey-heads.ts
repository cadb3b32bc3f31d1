/** Pass-key heads: while the model answers with a key that stands far back, which heads look at one place beyond sinks and
 *  window.
 *
 *  After Xiao et al. 2024, "DuoAttention", arXiv:2410.10819. Departure: the largest weight on a single token that streaming
 *  would lose, in place of gates that are trained to keep the answer. The sum of what is lost would favour heads that look
 *  everywhere a little, which a window serves nearly as well. */
import type { Tensor } from '../tensor.ts';
import type { Fit } from './fit.ts';
import { addBestOfGroups, bestHeads, checkShare } from './head-classes.ts';

export function passkeyHeads({ share = 0.5, sinks = 64, recent = 256, count = 4, tokens = 1024, seed = 0 } = {}): Fit {
  checkShare('passkey-heads', 'share', share);
  return {
    name: `passkey-heads ${share} ${sinks} ${recent} ${count} ${tokens} ${seed}`,
    samples: 'passkey',
    seed,
    count,
    tokens,
    needs: [{ of: 'attention' }],
    gives: { retrieval: { dtype: 'f32', dims: ['L', 'Hkv'] } },
    start() {
      const lost: number[][] = [];
      return {
        see(capture) {
          addBestOfGroups(lost, capture, (attention, head) => peakBetween(attention, head, sinks, recent));
        },
        give: async () => ({ retrieval: bestHeads(lost, share) }),
      };
    },
  };
}

/** The largest attention of each of the last queries of a text, [Hq, Q, T], behind the sinks and before its window; their mean. */
export function peakBetween(attention: Tensor, head: number, sinks: number, recent: number): number {
  const [, Q, T] = attention.dims as [number, number, number];
  let sum = 0;
  for (let q = 0; q < Q; q++) {
    let most = 0;
    for (let j = sinks; j <= T - Q + q - recent; j++) most = Math.max(most, attention.get(head, q, j));
    sum += most;
  }
  return sum / Math.max(1, Q);
}
