/** Full: every key and value of every token stays, exact. What all other methods are measured against. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const full = method(
  'full',
  {},
  () => ({
    when: [],
    score: nothing,
    allocate: everything,
    select: zones({ body: rest }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: '' },
);
