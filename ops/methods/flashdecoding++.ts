/** FlashDecoding++: one constant in place of the running maximum, and an exact way back for rows that leave its range. */
import { everything } from '../allocate/everything.ts';
import { unifiedMax } from '../attend/unified-max.ts';
import { exact } from '../encode/exact.ts';
import { scoreRange } from '../fit/score-range.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const flashDecodingPlusPlus = method(
  'FlashDecoding++',
  { tile: 256, reach: 11, phi: 'fitted' as 'fitted' | number },
  (o) => ({
    when: [],
    score: nothing,
    allocate: everything,
    select: zones({ body: rest }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: unifiedMax(o.phi === 'fitted' ? scoreRange() : o.phi, { tile: o.tile, reach: o.reach }),
  }),
  {
    paper: 'arXiv:2311.01282',
    checked: 'a port of its kernel, which lacks the way back',
    departures: ['both forms are computed', 'the largest logit of a row decides'],
  },
);
