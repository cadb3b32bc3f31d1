/** CUR: entries stay whose keys and values are long among their neighbours. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, nowAndThen, onceAsKvpress } from '../profile.ts';
import { localNorms } from '../score/local-norms.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const cur = method(
  'CUR',
  { kept: 0.2, local: 16, sinks: 4, when: nowAndThen, ...asPress },
  (o) => ({
    when: o.when,
    score: localNorms({ local: o.local, sinks: o.sinks }),
    allocate: uniform({ ...budgetOf(o), kept: o.kept }, { rounding: o.rounding }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2509.15038',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['kept'],
    profiles: { kvpress: onceAsKvpress },
  },
);
