/** Random: a random choice of entries stays. What any score must beat. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { randomScore } from '../score/random-score.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const random = method(
  'random',
  { kept: 0.2 },
  (o) => ({
    when: ['chunk', 'step'],
    score: randomScore(),
    allocate: uniform(o),
    select: zones({ kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: '', total: ['kept'] },
);
