/** Window: only the newest entries stay. The baseline that loses the attention sinks. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { always, asPress, onceAsKvpress } from '../profile.ts';
import { last } from '../select/last.ts';
import { zones } from '../select/zones.ts';

export const window = method(
  'window',
  { recent: 512, when: always, ...asPress },
  (o) => ({
    when: o.when,
    score: nothing,
    allocate: uniform({ recent: o.recent, ...budgetOf(o) }, { rounding: o.rounding }),
    select: zones({ recent: last }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: '', checked: 'kvpress 0.5.5, entry by entry', total: ['recent'], profiles: { kvpress: onceAsKvpress } },
);
