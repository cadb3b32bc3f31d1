/** TOVA: after each token the entry leaves that the last query looked at least, the same for all heads. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { windowAttention } from '../score/window-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const tova = method(
  'TOVA',
  { kept: 0.2 },
  (o) => ({
    when: ['prompt', 'step'],
    score: windowAttention({ window: 1, reduce: 'mean', pool: 'none', heads: 'mean' }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, kept: o.kept, newest: 1 }),
    select: zones({ newest: last, kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2401.06104', checked: 'kvpress', total: ['kept'] },
);
