/** PyramidKV: SnapKV's vote, with more room in early layers than in late ones. */
import { budgetOf } from '../allocate/amount.ts';
import { pyramid, type Steps } from '../allocate/pyramid.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { once, type Profile } from '../profile.ts';
import { windowAttention } from '../score/window-attention.ts';
import { authorsVote, kvpressVote, vote } from '../score/window-vote.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const pyramidKV = method(
  'PyramidKV',
  { entries: 1024, ...vote, steepness: 20, steps: 'sum' as Steps, when: once, profile: 'paper' as Profile },
  (o) => ({
    when: o.when,
    score: windowAttention({ window: o.window, kernel: o.kernel, pool: o.pool, reduce: o.reduce }),
    allocate: pyramid({ ...budgetOf(o), recent: o.window }, { steepness: o.steepness, steps: o.steps }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2406.02069',
    checked: 'kvpress 0.5.5, entry by entry',
    departures: ['amounts of layers rounded by largest remainder; a small budget falls behind the window alone'],
    total: ['entries'],
    profiles: {
      authors: { entries: 2048, ...authorsVote, steps: 'whole step' },
      kvpress: { ...kvpressVote, steps: 'each layer' },
    },
  },
);
