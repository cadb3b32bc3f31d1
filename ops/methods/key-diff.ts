/** KeyDiff: entries stay whose keys differ most from the direction that all keys share. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, nowAndThen, onceAsKvpress } from '../profile.ts';
import { keyDiff as keyDiffScore } from '../score/key-diff.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const keyDiff = method(
  'keyDiff',
  { kept: 0.2, when: nowAndThen, ...asPress },
  (o) => ({
    when: o.when,
    score: keyDiffScore(),
    allocate: uniform({ ...budgetOf(o), kept: o.kept }, { rounding: o.rounding }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2504.15364',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['kept'],
    profiles: { kvpress: onceAsKvpress },
  },
);
