/** Expected attention: entries stay that queries like the last ones would look at from the positions to come. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { expectedAttention as expectedAttentionScore } from '../score/expected-attention.ts';
import { first } from '../select/first.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const expectedAttention = method(
  'expectedAttention',
  { heavy: 0.2, sinks: 4, future: 512 },
  (o) => ({
    when: ['prompt', { every: 512 }],
    score: expectedAttentionScore({ future: o.future, sinks: o.sinks }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, heavy: o.heavy }),
    select: zones({ sinks: first(o.sinks), heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2510.00636', checked: 'kvpress', total: ['heavy'] },
);
