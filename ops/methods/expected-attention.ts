/** Expected attention: entries stay that queries like the last ones would look at from the positions to come. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, nowAndThen, onceAsKvpress } from '../profile.ts';
import { expectedAttention as expectedAttentionScore } from '../score/expected-attention.ts';
import { first } from '../select/first.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const expectedAttention = method(
  'expectedAttention',
  { heavy: 0.2, sinks: 4, future: 512, queries: 512, skip: 0, when: nowAndThen, ...asPress },
  (o) => ({
    when: o.when,
    score: expectedAttentionScore({ future: o.future, sinks: o.sinks, queries: o.queries, skip: o.skip }),
    allocate: uniform({ ...budgetOf(o), heavy: o.heavy }, { rounding: o.rounding }),
    select: zones({ sinks: first(o.sinks), heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2510.00636',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['heavy'],
    profiles: { kvpress: { ...onceAsKvpress, queries: 8192, skip: 4 } },
  },
);
