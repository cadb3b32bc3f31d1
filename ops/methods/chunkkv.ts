/** ChunkKV: the last queries of the prompt vote, and whole chunks of neighbours stay or leave together. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { windowAttention } from '../score/window-attention.ts';
import { last } from '../select/last.ts';
import { topChunks } from '../select/top-chunks.ts';
import { zones } from '../select/zones.ts';

export const chunkKV = method(
  'ChunkKV',
  { entries: 1024, window: 32, kernel: 7, chunk: 20 },
  (o) => ({
    when: 'prompt',
    score: windowAttention({ window: o.window, kernel: o.kernel, heads: 'mean' }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, recent: o.window }),
    select: zones({ recent: last, heavy: topChunks(o.chunk) }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2502.00299',
    checked: 'kvpress',
    departures: ['chunks are whole, so up to a chunk of the budget may stay unused'],
    total: ['entries'],
  },
);
