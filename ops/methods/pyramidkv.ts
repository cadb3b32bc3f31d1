/** PyramidKV: SnapKV's vote, with more room in early layers than in late ones. */
import { pyramid } from '../allocate/pyramid.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { windowAttention } from '../score/window-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const pyramidKV = method(
  'PyramidKV',
  { entries: 1024, window: 32, kernel: 7, pool: 'max' as 'max' | 'mean' | 'none', steepness: 20 },
  (o) => ({
    when: 'prompt',
    score: windowAttention({ window: o.window, kernel: o.kernel, pool: o.pool }),
    allocate: pyramid(
      { keep: o.keep, entries: o.entries, bytes: o.bytes, recent: o.window },
      { steepness: o.steepness },
    ),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2406.02069',
    checked: 'kvpress',
    departures: ['amounts of layers rounded by largest remainder'],
    total: ['entries'],
  },
);
