/** Pass-key heads: while the model answers with a key that stands far back, which heads look beyond sinks and window.
 *
 *  After Xiao et al. 2024, "DuoAttention", arXiv:2410.10819. Departure: the attention that streaming would lose, in place of
 *  gates that are trained to keep the answer. */
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
          addBestOfGroups(lost, capture, (attention, head) => massBetween(attention, head, sinks, recent));
        },
        give: async () => ({ retrieval: bestHeads(lost, share) }),
      };
    },
  };
}

/** Mean attention of the last queries of a text, [Hq, Q, T], that lies behind the sinks and before the window of each. */
export function massBetween(attention: Tensor, head: number, sinks: number, recent: number): number {
  const [, Q, T] = attention.dims as [number, number, number];
  let sum = 0;
  for (let q = 0; q < Q; q++) for (let j = sinks; j <= T - Q + q - recent; j++) sum += attention.get(head, q, j);
  return sum / Math.max(1, Q);
}
