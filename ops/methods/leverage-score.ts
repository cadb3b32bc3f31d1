/** Leverage score: entries stay whose keys no combination of the others can stand for. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { leverage } from '../score/leverage.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const leverageScore = method(
  'leverageScore',
  { kept: 0.2, rank: 48 },
  (o) => ({
    when: ['prompt', { every: 512 }],
    score: leverage({ rank: o.rank }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, kept: o.kept }),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2507.08143', checked: 'kvpress', total: ['kept'] },
);
