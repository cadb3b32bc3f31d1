/** LagKV: entries stay that vary much on the scale of those that follow; sinks and the newest always do. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, nowAndThen, onceAsKvpress } from '../profile.ts';
import { lagRelative } from '../score/lag-relative.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const lagKV = method(
  'LagKV',
  { kept: 0.2, sinks: 4, lag: 128, when: nowAndThen, ...asPress },
  (o) => ({
    when: o.when,
    score: lagRelative({ sinks: o.sinks, lag: o.lag }),
    allocate: uniform({ ...budgetOf(o), kept: o.kept }, { rounding: o.rounding }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2504.04704',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['kept'],
    profiles: { kvpress: onceAsKvpress },
  },
);
