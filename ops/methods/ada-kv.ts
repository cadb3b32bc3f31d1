/** AdaKV: SnapKV's vote, with the heads of a layer sharing one budget by score. */
import { acrossHeads, type FloorOf } from '../allocate/across-heads.ts';
import { budgetOf } from '../allocate/amount.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, once } from '../profile.ts';
import { windowAttention } from '../score/window-attention.ts';
import { kvpressVote, type Reduce, vote } from '../score/window-vote.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const adaKV = method(
  'AdaKV',
  { entries: 1024, ...vote, reduce: 'mean' as Reduce, floor: 0.2, floorOf: 'zone' as FloorOf, when: once, ...asPress },
  (o) => ({
    when: o.when,
    score: windowAttention({ window: o.window, kernel: o.kernel, pool: o.pool, reduce: o.reduce }),
    allocate: acrossHeads(
      { ...budgetOf(o), recent: o.window },
      { floor: o.floor, floorOf: o.floorOf, rounding: o.rounding },
    ),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2407.11550',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['entries'],
    profiles: { kvpress: { ...kvpressVote, floorOf: 'head', rounding: 'down' } },
  },
);
