/** Bipolar-INT: keys as planes of signs of any width; logits are sums of products of planes. */
import { everything } from '../allocate/everything.ts';
import { packed } from '../attend/packed.ts';
import { bitPlanes } from '../encode/bit-planes.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const bipolarInt = method(
  'Bipolar-INT',
  { bits: 3, queryBits: 8 },
  (o) => ({
    when: ['prompt', 'step'],
    score: nothing,
    allocate: everything,
    select: zones({ body: rest }),
    compensate: nothing,
    encode: { body: { keys: bitPlanes({ bits: o.bits, queryBits: o.queryBits }), values: exact } },
    place: oneTier,
    fetch: all,
    attend: packed(),
  }),
  {
    paper: 'arXiv:2409.17870',
    checked: 'the abstract, its algebra recomputed',
    departures: [
      'f32 products of bits, the planes of a query summed before: the same whole numbers, no claim of speed',
    ],
  },
);
