/** Block floating point with sorted channels: keys share exponents in blocks, and outlying channels share theirs. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { blockFloat } from '../encode/block-float.ts';
import { exact } from '../encode/exact.ts';
import { pipe } from '../encode/pipe.ts';
import { reorder } from '../encode/reorder.ts';
import { channelOrder } from '../fit/channel-order.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const bfpOutliers = method(
  'BFP with sorted channels',
  { mantissa: 4, block: 32, sorted: true },
  (o) => {
    const floats = blockFloat({ mantissa: o.mantissa, block: o.block });
    const keys = o.sorted ? pipe(reorder(channelOrder('strength')), floats) : floats;
    return {
      when: ['prompt', 'step'],
      score: nothing,
      allocate: everything,
      select: zones({ body: rest }),
      compensate: nothing,
      encode: { body: { keys, values: exact } },
      place: oneTier,
      fetch: all,
      attend: rows(),
    };
  },
  {
    paper: 'arXiv:2403.20137',
    checked: 'a summary with the algorithm',
    departures: ['channels sorted at run time', 'by the strength of keys on sample text'],
  },
);
