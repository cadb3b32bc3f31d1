/** SirLLM: attention sinks and the tokens that surprised the model most; surprise fades with each turn. */
import { uniform } from '../allocate/uniform.ts';
import { contiguous } from '../attend/positions.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { surprisal } from '../score/surprisal.ts';
import { turns } from '../segment/turns.ts';
import { first } from '../select/first.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const sirLLM = method(
  'SirLLM',
  { sinks: 4, heavy: 1020, recent: 0, decay: 0.7 },
  (o) => ({
    when: ['chunk', 'step'],
    segment: turns(),
    score: surprisal({ decay: o.decay }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, heavy: o.heavy, recent: o.recent }),
    select: zones({ sinks: first(o.sinks), recent: last, heavy: top }),
    compensate: nothing,
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    place: oneTier,
    fetch: all,
    attend: rows({ at: contiguous }),
  }),
  {
    paper: 'arXiv:2405.12528',
    checked: "authors' code",
    departures: ['the surprise of a token is its own (the code is one token off)'],
    total: ['heavy'],
    amounts: ['recent'],
  },
);
