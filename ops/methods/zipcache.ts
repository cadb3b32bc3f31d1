/** ZipCache: tokens that probe queries look at get more bits than the others; values of all heads share one scale a token. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { channelScale } from '../encode/channel-scale.ts';
import { pipe } from '../encode/pipe.ts';
import { quant } from '../encode/quant.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { probedAttention } from '../score/probed-attention.ts';
import { rest } from '../select/rest.ts';
import { topOfNew } from '../select/top-of-new.ts';
import { zones } from '../select/zones.ts';

export const zipCache = method(
  'ZipCache',
  { salient: 0.6, salientBits: 4, bits: 2, probes: 0.05, every: 100, group: 32 },
  (o) => {
    const body = (bits: number) => ({
      keys: quant({ bits, group: o.group, per: 'channel' }),
      values: pipe(channelScale(), quant({ bits, per: 'row' })),
    });
    return {
      when: ['prompt', { every: o.every }],
      score: probedAttention({ last: o.probes, random: o.probes }),
      allocate: everything,
      select: zones({ salient: topOfNew(o.salient), body: rest }),
      compensate: nothing,
      encode: { salient: body(o.salientBits), body: body(o.bits) },
      place: oneTier,
      fetch: all,
      attend: rows(),
    };
  },
  {
    paper: 'arXiv:2405.14256',
    checked: "authors' demonstration",
    departures: ['salience is the mean over heads', 'tokens keep their bits', 'key scales of 32 tokens'],
  },
);
