/** H2O: half the budget for the newest tokens, half for the heavy hitters, those that received most attention so far. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { always, asCode } from '../profile.ts';
import { accumulatedAttention } from '../score/accumulated-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const h2o = method(
  'H2O',
  { heavy: 0.1, recent: 0.1, when: always, ...asCode },
  (o) => ({
    when: o.when,
    score: accumulatedAttention(),
    allocate: uniform({ heavy: o.heavy, recent: o.recent, ...budgetOf(o) }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2306.14048',
    checked: "authors' code and the paper's sums",
    departures: ['evicts between prompt chunks, so the kept set depends on the chunk size'],
    total: ['heavy', 'recent'],
    profiles: { authors: { when: ['prompt', 'step'] } },
  },
);
