/** GEAR: few bits for most numbers, exact outliers, and a few directions for what the bits lose, block by block. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { exceptOutliers } from '../encode/except-outliers.ts';
import { plusLowRank } from '../encode/low-rank.ts';
import { quant } from '../encode/quant.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { remainder } from '../select/remainder.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const gear = method(
  'GEAR',
  { bits: 2, group: 64, outliers: 1, rank: 2, block: 64 },
  (o) => {
    const repaired = (per: 'channel' | 'token', group: number) => {
      const few = quant({ bits: o.bits, group, per });
      const sparse = o.outliers ? exceptOutliers(few, { per, count: o.outliers }) : few;
      return o.rank ? plusLowRank(sparse, { rank: o.rank, block: o.block }) : sparse;
    };
    return {
      when: ['prompt', { every: o.block }],
      score: nothing,
      allocate: everything,
      select: zones({ residual: remainder(o.block), body: rest }),
      compensate: nothing,
      encode: { residual: exact, body: { keys: repaired('channel', o.block), values: repaired('token', o.group) } },
      place: oneTier,
      fetch: all,
      attend: rows(),
    };
  },
  {
    paper: 'arXiv:2403.05527',
    checked: "authors' code",
    departures: ['one rank for all blocks', 'key groups are blocks'],
  },
);
