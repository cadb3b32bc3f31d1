/** vAttention: the cache is contiguous in virtual memory, and physical pages are mapped as tokens arrive. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing } from '../neutral.ts';
import { inPages } from '../place/in-pages.ts';
import { virtualPages } from '../place/virtual-pages.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const vAttention = method(
  'vAttention',
  { page: 65536, ahead: 0, layout: 'per layer' as 'per layer' | 'mega' },
  (o) => ({
    when: [],
    score: nothing,
    allocate: everything,
    select: zones({ body: rest }),
    compensate: nothing,
    encode: exact,
    place: inPages(virtualPages(o)),
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2405.04437',
    checked: "authors' code",
    departures: ['page-sized buffers stand for virtual memory', 'pages ahead are mapped with the page that needs them'],
  },
);
