/** InfLLM: the far past lies on the host in blocks; a few representative keys say which of them the next tokens read. */
import { ofBudget } from '../allocate/amounts.ts';
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
import { onHost } from '../place/on-host.ts';
import { representatives } from '../place/representatives.ts';
import { localMass } from '../score/local-mass.ts';
import { every } from '../segment/every.ts';
import { first } from '../select/first.ts';
import { lastBlocks } from '../select/last-blocks.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

/** Far blocks stand as far away as the window is long, unless said; 256 where a budget cuts the window. */
const farOf = (o: { far: number; local?: number }) => o.far || o.local || 256;
export const infLLM = method(
  'InfLLM',
  { block: 16, init: 16, local: 256, far: 0, blocks: 8, representatives: 4, pool: 16, hostBytes: Infinity, disk: false, profile: 'paper' as 'paper' | 'authors' }, // biome-ignore format: one line
  (o) => ({
    when: ['chunk', 'step'],
    segment: every(o.block),
    score: localMass({ window: farOf(o) }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, init: o.init, local: o.local ?? ofBudget(0.5) }), // biome-ignore format: one line a slot
    select: zones({ init: first, local: lastBlocks(o.block), body: rest }),
    compensate: nothing,
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    place: { body: onHost({ ...o, summary: representatives({ of: o.representatives }) }) },
    fetch: { body: pagesBy(keyDot({ heads: 'together' }), { ...o, query: meanQuery(), pages: o.blocks }) },
    attend: rows({ at: { init: apart(farOf(o)), body: apart(farOf(o)) } }),
  }),
  { paper: 'arXiv:2402.04617', checked: "authors' code", departures: ['the queries of a chunk share one choice and one local window', 'sizes for small models'], total: ['blocks', 'local'], profiles: { authors: { block: 128, init: 128, local: 4096, blocks: 16, pool: 32 } } }, // biome-ignore format: one line
);
