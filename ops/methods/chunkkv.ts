/** ChunkKV: the last queries of the prompt vote, and whole chunks of neighbours stay or leave together. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, once } from '../profile.ts';
import { windowAttention } from '../score/window-attention.ts';
import { kvpressVote, ownScore, vote } from '../score/window-vote.ts';
import { last } from '../select/last.ts';
import { topChunks } from '../select/top-chunks.ts';
import { zones } from '../select/zones.ts';

export const chunkKV = method(
  'ChunkKV',
  { entries: 1024, ...vote, chunk: 20, by: 'entries' as 'entries' | 'chunks', when: once, ...asPress },
  ({ window, kernel, pool, reduce, chunk, by, rounding, when, ...o }) => ({
    when,
    score: windowAttention({ window, kernel, pool, reduce, own: ownScore[by], heads: 'mean' }),
    allocate: uniform({ ...budgetOf(o), recent: window }, { rounding, chunk: { entries: 1, chunks: chunk }[by] }),
    select: {
      entries: zones({ recent: last, heavy: topChunks(chunk) }),
      chunks: zones({ heavy: topChunks(chunk, { by }) }),
    }[by],
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2502.00299',
    checked: 'kvpress 0.5.5, entry by entry',
    departures: ['chunks are whole, so up to a chunk of the budget may stay unused'],
    total: ['entries'],
    profiles: { kvpress: { ...kvpressVote, by: 'chunks', rounding: 'down' } },
  },
);
