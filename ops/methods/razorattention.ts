/** RazorAttention: heads that look back at repeats keep everything; the others keep sinks, a window and one mean entry. */
import { budgetOf, largerOf } from '../allocate/amount.ts';
import { byHeadClass, sinksAndWindow } from '../allocate/by-head-class.ts';
import { rows } from '../attend/rows.ts';
import { meanEntry } from '../compensate/mean-entry.ts';
import { exact } from '../encode/exact.ts';
import { echoHeads } from '../fit/echo-heads.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asCode, once } from '../profile.ts';
import { first } from '../select/first.ts';
import { last } from '../select/last.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const razorAttention = method(
  'RazorAttention',
  { echo: 0.01, induction: 0.14, sinks: 4, recent: 251, share: 0.2, counted: true, when: once, ...asCode },
  ({ echo, induction, sinks, recent, share, counted, when, ...o }) => ({
    when,
    score: nothing,
    allocate: byHeadClass(echoHeads({ echo, induction }), sinksAndWindow(sinks, largerOf(recent, share)), budgetOf(o)),
    select: zones({ sinks: first, recent: last, body: rest }),
    compensate: meanEntry({ zone: 'mean', counted }),
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    checked: 'code of the same company',
    paper: 'arXiv:2407.15891',
    departures: ['head classes from 512 tokens'],
    total: ['recent'],
    profiles: { authors: { share: 0, counted: false } },
  },
);
