/** D2O: layers hold as much as their attention is spread, and what leaves is merged into the kept entry that is most like it. */
import { byAttentionVariance } from '../allocate/by-attention-variance.ts';
import { rows } from '../attend/rows.ts';
import { mergeSimilar } from '../compensate/merge-similar.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, oneTier } from '../neutral.ts';
import { accumulatedAttention } from '../score/accumulated-attention.ts';
import { first } from '../select/first.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const d2o = method(
  'D2O',
  { heavy: 0.1, recent: 0.1, sinks: 4, smooth: 0.5, untouched: [0, 1, -1] as readonly number[] },
  (o) => ({
    when: ['prompt', 'step'],
    score: accumulatedAttention(),
    allocate: byAttentionVariance(
      { heavy: o.heavy, recent: o.recent, keep: o.keep, entries: o.entries, bytes: o.bytes },
      o.untouched,
    ),
    select: zones({ sinks: first(o.sinks), recent: last, heavy: top }),
    compensate: mergeSimilar({ smooth: o.smooth }),
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2406.13035',
    checked: "authors' code",
    departures: ['variance of the entries that compete, without sinks and window'],
    total: ['heavy', 'recent'],
  },
);
