/** Observed attention: entries stay that received most attention for the time they could be seen; no window is protected. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { always, asPress, onceAsKvpress } from '../profile.ts';
import { averageAttention } from '../score/average-attention.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const observedAttention = method(
  'observedAttention',
  { kept: 0.2, when: always, ...asPress },
  (o) => ({
    when: o.when,
    score: averageAttention(),
    allocate: uniform({ kept: o.kept, ...budgetOf(o) }, { rounding: o.rounding }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2306.14048',
    checked: 'kvpress 0.5.5, entry by entry',
    departures: ['evicts between prompt chunks'],
    total: ['kept'],
    profiles: { kvpress: onceAsKvpress },
  },
);
