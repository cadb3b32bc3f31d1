/** AdaKV: SnapKV's vote, with the heads of a layer sharing one budget by score. */
import { acrossHeads } from '../allocate/across-heads.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { windowAttention } from '../score/window-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const adaKV = method(
  'AdaKV',
  { entries: 1024, window: 32, kernel: 7, pool: 'max' as 'max' | 'mean' | 'none', floor: 0.2 },
  (o) => ({
    when: 'prompt',
    score: windowAttention({ window: o.window, kernel: o.kernel, pool: o.pool, reduce: 'mean' }),
    allocate: acrossHeads({ keep: o.keep, entries: o.entries, bytes: o.bytes, recent: o.window }, { floor: o.floor }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2407.11550', checked: 'kvpress', total: ['entries'] },
);
