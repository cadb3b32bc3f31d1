/** Locret: a small head fitted on queries, keys and values says at birth how long an entry is worth keeping. */
import { budgetOf } from '../allocate/amount.ts';
import { ofBudget } from '../allocate/amounts.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { retainRegression } from '../fit/retain-regression.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { retainingHead } from '../score/retaining-head.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const locret = method(
  'Locret',
  { entries: 6000, stabilizers: 0.41667, local: 0.01667 },
  (o) => ({
    when: 'chunk',
    score: retainingHead(retainRegression()),
    allocate: uniform({ ...budgetOf(o), recent: ofBudget(o.stabilizers) }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
    phases: [{ when: 'prompt', allocate: uniform({ ...budgetOf(o), recent: ofBudget(o.local) }) }],
  }),
  {
    paper: 'arXiv:2410.01805',
    checked: "authors' code",
    departures: [
      'a linear head fitted by regression',
      'stabilizers (2,500 of 6,000) and local tokens (100) are shares of the budget',
    ],
    total: ['entries'],
  },
);
