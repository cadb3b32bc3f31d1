/** SnapKV: the last queries of the prompt vote once for what stays of it; what is generated stays whole. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { windowAttention } from '../score/window-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const snapKV = method(
  'SnapKV',
  { entries: 1024, window: 32, kernel: 7, pool: 'max' as 'max' | 'mean' | 'none' },
  (o) => ({
    when: 'prompt',
    score: windowAttention({ window: o.window, kernel: o.kernel, pool: o.pool }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, recent: o.window }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2404.14469', checked: "authors' code and kvpress", total: ['entries'] },
);
