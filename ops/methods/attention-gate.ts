/** Attention-Gate: before a token is attended to, a gate on its hidden state decides in each head whether it is cached at all. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { gateRegression } from '../fit/gate-regression.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { trainedGate } from '../score/trained-gate.ts';
import { above } from '../select/above.ts';
import { first } from '../select/first.ts';
import { last } from '../select/last.ts';
import { zones } from '../select/zones.ts';

export const attentionGate = method(
  'Attention-Gate, linear surrogate',
  { share: 0.5, sinks: 1, recent: 16 },
  (o) => ({
    when: 'before attention',
    score: trainedGate(gateRegression({ keep: o.keep ?? o.share })),
    allocate: everything,
    select: zones({ sinks: first(o.sinks), recent: last(o.recent), kept: above(0.5) }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2410.12876',
    checked: 'abstract and summary',
    departures: [
      'a linear gate fitted by regression',
      'the newest tokens stay too, since a gate on a single token does not know its neighbours; recent: 0 leaves them out',
      'the share is met on the texts of the fit, not on each prompt',
    ],
    total: ['share'],
  },
);
