/** CUR: entries stay whose keys and values are long among their neighbours. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { localNorms } from '../score/local-norms.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const cur = method(
  'CUR',
  { kept: 0.2, local: 16, sinks: 4 },
  (o) => ({
    when: ['prompt', { every: 512 }],
    score: localNorms({ local: o.local, sinks: o.sinks }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, kept: o.kept }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2509.15038', checked: 'kvpress', total: ['kept'] },
);
