/** Leverage score: entries stay whose keys no combination of the others can stand for. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, nowAndThen, onceAsKvpress } from '../profile.ts';
import { leverage } from '../score/leverage.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const leverageScore = method(
  'leverageScore',
  { kept: 0.2, rank: 48, when: nowAndThen, ...asPress },
  (o) => ({
    when: o.when,
    score: leverage({ rank: o.rank }),
    allocate: uniform({ ...budgetOf(o), kept: o.kept }, { rounding: o.rounding }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2507.08143',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['kept'],
    profiles: { kvpress: onceAsKvpress },
  },
);
