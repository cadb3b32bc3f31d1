/** LagKV: entries stay that vary much on the scale of those that follow; sinks and the newest always do. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { lagRelative } from '../score/lag-relative.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const lagKV = method(
  'LagKV',
  { kept: 0.2, sinks: 4, lag: 128 },
  (o) => ({
    when: ['prompt', { every: 512 }],
    score: lagRelative({ sinks: o.sinks, lag: o.lag }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, kept: o.kept }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2504.04704', checked: 'kvpress', total: ['kept'] },
);
