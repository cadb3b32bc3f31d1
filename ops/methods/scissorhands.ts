/** Scissorhands: when a head is full, those leave in one burst that most recent queries found below average. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { belowAverageCount } from '../score/below-average-count.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const scissorhands = method(
  'Scissorhands',
  { target: 192, burst: 64, history: 64, recent: 10 },
  (o) => ({
    when: ['chunk', 'step'],
    score: belowAverageCount({ history: o.history }),
    allocate: uniform(
      { entries: o.entries ?? o.target, recent: o.recent, keep: o.keep, bytes: o.bytes },
      { burst: o.burst },
    ),
    select: zones({ recent: last, pivotal: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2305.17118',
    checked: 'the paper as others restate it',
    departures: ['the history is kept as two halves', 'equal budgets for all layers'],
    total: ['target'],
    amounts: ['recent'],
  },
);
