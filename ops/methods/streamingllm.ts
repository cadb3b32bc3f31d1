/** StreamingLLM: the first tokens stay as attention sinks, beside a window of the newest. */
import { budgetOf } from '../allocate/amount.ts';
import { uniform } from '../allocate/uniform.ts';
import { absolute, contiguous, positionRule } from '../attend/positions.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { always, asPress, onceAsKvpress, type Profile } from '../profile.ts';
import { first } from '../select/first.ts';
import { last } from '../select/last.ts';
import { zones } from '../select/zones.ts';

export const streamingLLM = method(
  'StreamingLLM',
  { sinks: 4, recent: 512, positions: 'contiguous' as 'contiguous' | 'absolute', when: always, ...asPress, profile: 'paper' as Profile }, // biome-ignore format: one line
  (o) => ({
    when: o.when,
    score: nothing,
    allocate: uniform({ sinks: o.sinks, recent: o.recent, ...budgetOf(o) }, { rounding: o.rounding }),
    select: zones({ sinks: first, recent: last }),
    compensate: nothing,
    encode: { keys: pipe(beforeRotary, exact), values: exact },
    place: oneTier,
    fetch: all,
    attend: rows({ at: positionRule(o.positions, { contiguous, absolute }) }),
  }),
  {
    paper: 'arXiv:2309.17453',
    checked: "authors' code; kvpress 0.5.5, entry by entry",
    total: ['recent'],
    amounts: ['sinks'],
    profiles: { authors: { recent: 2000 }, kvpress: { ...onceAsKvpress, positions: 'absolute' } },
  },
);
