/** SnapKV: the last queries of the prompt vote once for what stays of it; what is generated stays whole. */
import { budgetOf, type Rounding } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
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

export const snapKV = method(
  'SnapKV',
  { entries: 1024, ...vote, rounding: 'nearest' as Rounding, when: once, profile: 'paper' as Profile },
  (o) => ({
    when: o.when,
    score: windowAttention({ window: o.window, kernel: o.kernel, pool: o.pool, reduce: o.reduce }),
    allocate: uniform({ ...budgetOf(o), recent: o.window }, { rounding: o.rounding }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2404.14469',
    checked: "authors' code; kvpress 0.5.5, entry by entry",
    total: ['entries'],
    profiles: {
      authors: { entries: 2048, ...authorsVote },
      kvpress: { ...kvpressVote, rounding: 'down' },
    },
  },
);
