/** RotateKV: rotated across heads before rotary and put in order, two bits suffice; tokens with massive numbers stay exact. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { hadamard } from '../encode/hadamard.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { quant } from '../encode/quant.ts';
import { reorder } from '../encode/reorder.ts';
import { channelOrder } from '../fit/channel-order.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { hiddenOutliers } from '../score/hidden-outliers.ts';
import { once } from '../select/once.ts';
import { rest } from '../select/rest.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const rotateKV = method(
  'RotateKV',
  { bits: 2, group: 64, clip: 0.8, pivots: 20 },
  (o) => {
    const few = quant({ bits: o.bits, group: o.group, clip: o.clip, zero: true, per: 'token' });
    const keys = pipe(beforeRotary, hadamard({ heads: true }), reorder(channelOrder('rotated sum')), few);
    return {
      when: ['prompt', 'step'],
      score: hiddenOutliers(),
      allocate: everything,
      select: zones({ pivots: once(top(o.pivots)), body: rest }),
      compensate: nothing,
      encode: { keys: pipe(beforeRotary, exact), body: { keys, values: pipe(hadamard(), few) } },
      place: oneTier,
      fetch: all,
      attend: rows(),
    };
  },
  { paper: 'arXiv:2501.16383', checked: "authors' code", departures: ['rotated at run time', 'pivots by the largest number of each token'] }, // biome-ignore format: one line
);
