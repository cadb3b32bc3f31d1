/** Window: only the newest entries stay. The baseline that loses the attention sinks. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { last } from '../select/last.ts';
import { zones } from '../select/zones.ts';

export const window = method(
  'window',
  { recent: 512 },
  (o) => ({
    when: ['chunk', 'step'],
    score: nothing,
    allocate: uniform(o),
    select: zones({ recent: last }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: '', total: ['recent'] },
);
