/** Key norm: entries whose keys are short stay, since short keys collect attention. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { always, asPress, onceAsKvpress } from '../profile.ts';
import { keyNorm as keyNormScore } from '../score/key-norm.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const keyNorm = method(
  'keyNorm',
  { kept: 0.2, when: always, ...asPress },
  (o) => ({
    when: o.when,
    score: keyNormScore(),
    allocate: uniform({ kept: o.kept, ...budgetOf(o) }, { rounding: o.rounding }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2406.11430',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['kept'],
    profiles: { kvpress: onceAsKvpress },
  },
);
