/** DuoAttention: retrieval heads keep everything, the others stream with sinks and a window. */
import { budgetOf } from '../allocate/amount.ts';
import { byHeadClass, sinksAndWindow } from '../allocate/by-head-class.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { passkeyHeads } from '../fit/passkey-heads.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { always } from '../profile.ts';
import { first } from '../select/first.ts';
import { last } from '../select/last.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const duoAttention = method(
  'DuoAttention',
  { retrieval: 0.5, sinks: 64, recent: 256, when: always, profile: 'paper' as 'paper' | 'kvpress' },
  (o) => ({
    when: o.when,
    score: nothing,
    allocate: byHeadClass(
      passkeyHeads({ share: o.retrieval, sinks: o.sinks, recent: o.recent }),
      sinksAndWindow(o.sinks, o.recent),
      { ...budgetOf(o) },
    ),
    select: zones({ sinks: first, recent: last, body: rest }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2410.10819',
    checked: "authors' code; kvpress 0.5.5, entry by entry",
    total: ['recent'],
    profiles: { kvpress: { sinks: 128, when: ['prompt'] } },
    departures: ['head classes by the sharpest attention to a pass-key, not by trained gates'],
  },
);
