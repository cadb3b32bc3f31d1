/** MiKV: nothing is evicted; the newest and the heavy hitters stay exact, all others are kept in few bits. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { balance } from '../encode/balance.ts';
import { exact } from '../encode/exact.ts';
import { pipe } from '../encode/pipe.ts';
import { quant } from '../encode/quant.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { accumulatedAttention } from '../score/accumulated-attention.ts';
import { last } from '../select/last.ts';
import { rest } from '../select/rest.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const mikv = method(
  'MiKV',
  { heavy: 0.2, recent: 32, bits: 2, group: 32 },
  (o) => {
    const few = quant({ bits: o.bits, group: o.group, per: 'token' });
    return {
      when: ['prompt', 'step'],
      score: accumulatedAttention(),
      allocate: uniform({ heavy: o.heavy, recent: o.recent, keep: o.keep, entries: o.entries, bytes: o.bytes }),
      select: zones({ recent: last, heavy: top, body: rest }),
      compensate: nothing,
      encode: { recent: exact, heavy: exact, body: { keys: pipe(balance(), few), values: few } },
      place: oneTier,
      fetch: all,
      attend: rows(),
    };
  },
  {
    paper: 'arXiv:2402.18096',
    checked: "a page that restates the paper's formulas",
    total: ['heavy'],
    amounts: ['recent'],
  },
);
