/** InfLLM: the far past lies on the host in blocks; a few representative keys say which of them the next tokens read. */
import { uniform } from '../allocate/uniform.ts';
import { apart } from '../attend/positions.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { keyDot } from '../fetch/key-dot.ts';
import { meanQuery } from '../fetch/mean-query.ts';
import { pagesBy } from '../fetch/pages-by.ts';
import { method } from '../method.ts';
import { nothing } from '../neutral.ts';
import { onHost } from '../place/place.ts';
import { representatives } from '../place/representatives.ts';
import { localMass } from '../score/local-mass.ts';
import { every } from '../segment/every.ts';
import { first } from '../select/first.ts';
import { lastBlocks } from '../select/last-blocks.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

const departures = ['the queries of a chunk share one choice and one local window', 'sizes for small models'];
export const infLLM = method(
  'InfLLM',
  { block: 32, init: 32, local: 256, blocks: 4, representatives: 4, pool: 8, hostBytes: Infinity, disk: false },
  (o) => ({
    when: ['chunk', 'step'],
    segment: every(o.block),
    score: localMass({ window: o.local }),
    allocate: uniform({ init: o.init, local: o.local }),
    select: zones({ init: first, local: lastBlocks(o.block), body: rest }),
    compensate: nothing,
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    place: { body: onHost({ ...o, summary: representatives({ of: o.representatives }) }) },
    fetch: { body: pagesBy(keyDot({ heads: 'together' }), { ...o, query: meanQuery(), pages: o.blocks }) },
    attend: rows({ at: { init: apart(o.local), body: apart(o.local) } }),
  }),
  { paper: 'arXiv:2402.04617', checked: "authors' code", departures, total: ['blocks'] },
);
