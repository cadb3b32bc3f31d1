/** Random: a random choice of entries stays. What any score must beat. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { always, asPress, onceAsKvpress } from '../profile.ts';
import { randomScore } from '../score/random-score.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const random = method(
  'random',
  { kept: 0.2, when: always, ...asPress },
  (o) => ({
    when: o.when,
    score: randomScore(),
    allocate: uniform({ kept: o.kept, ...budgetOf(o) }, { rounding: o.rounding }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: '', total: ['kept'], profiles: { kvpress: onceAsKvpress } },
);
