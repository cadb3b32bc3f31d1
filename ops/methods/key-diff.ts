/** KeyDiff: entries stay whose keys differ most from the direction that all keys share. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { keyDiff as keyDiffScore } from '../score/key-diff.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const keyDiff = method(
  'keyDiff',
  { kept: 0.2 },
  (o) => ({
    when: ['prompt', { every: 512 }],
    score: keyDiffScore(),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, kept: o.kept }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2504.15364', checked: 'kvpress', total: ['kept'] },
);
