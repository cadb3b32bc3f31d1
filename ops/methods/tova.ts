/** TOVA: after each token the entry leaves that the last query looked at least, the same for all heads. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method, type When } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asPress, onceAsKvpress } from '../profile.ts';
import { windowAttention } from '../score/window-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const tova = method(
  'TOVA',
  { kept: 0.2, when: ['prompt', 'step'] as readonly When[], ...asPress },
  (o) => ({
    when: o.when,
    score: windowAttention({ window: 1, reduce: 'mean', pool: 'none', heads: 'mean' }),
    allocate: uniform({ ...budgetOf(o), kept: o.kept, newest: 1 }, { rounding: o.rounding }),
    select: zones({ newest: last, kept: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2401.06104',
    checked: 'kvpress 0.5.5, entry by entry',
    total: ['kept'],
    profiles: { kvpress: onceAsKvpress },
  },
);
