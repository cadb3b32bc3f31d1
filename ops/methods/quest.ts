/** Quest: nothing leaves, but each token reads only the pages whose keys may matter to it, by an upper bound. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { keyBound } from '../fetch/key-bound.ts';
import { pagesBy } from '../fetch/pages-by.ts';
import { method } from '../method.ts';
import { nothing } from '../neutral.ts';
import { keyBounds } from '../place/key-bounds.ts';
import { onDevice } from '../place/on-device.ts';
import { every } from '../segment/every.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const quest = method(
  'Quest',
  { page: 16, read: 256, exactLayers: 2 },
  (o) => ({
    when: [],
    segment: every(o.page),
    score: nothing,
    allocate: everything,
    select: zones({ body: rest }),
    compensate: nothing,
    encode: exact,
    place: { body: onDevice({ summary: keyBounds() }) },
    fetch: { body: pagesBy(keyBound(), { ...o, fromLayer: o.exactLayers, answerOnly: true }) },
    attend: rows(),
  }),
  {
    paper: 'arXiv:2406.10774',
    checked: 'KVCache-Factory and the text of the paper',
    departures: ['the query heads of a group choose together', 'an unfinished page is always read'],
    total: ['read'],
  },
);
