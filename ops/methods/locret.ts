/** Locret: a small head fitted on queries, keys and values says at birth how long an entry is worth keeping. */
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
  { heavy: 3500, stabilizers: 2500, local: 100 },
  (o) => ({
    when: 'chunk',
    score: retainingHead(retainRegression()),
    allocate: uniform({ heavy: o.heavy, recent: o.stabilizers }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
    phases: [{ when: 'prompt', allocate: uniform({ heavy: o.heavy, recent: o.local }) }],
  }),
  {
    paper: 'arXiv:2410.01805',
    checked: "authors' code",
    departures: ['a linear head fitted by regression'],
    awaits: 'fits, and several keep lines',
    total: ['heavy'],
  },
);
