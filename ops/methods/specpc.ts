/** SpecPC: a cheap draft model reads the prompt, and only the tokens that its last queries look at are given to the model. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { filterPrompt } from '../pass/filter-prompt.ts';
import { risingAttention } from '../score/rising-attention.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const specPC = method(
  'SpecPC',
  { layers: 12, from: 9, tokens: 1024, window: 64, pool: 32, neighbours: 32 },
  (o) => ({
    when: [],
    passes: filterPrompt({
      layers: o.layers,
      from: o.from,
      tokens: o.keep === 1 ? Number.POSITIVE_INFINITY : (o.keep ?? o.entries ?? o.tokens),
      score: risingAttention({ window: o.window, pool: o.pool }),
      neighbours: o.neighbours,
    }),
    score: nothing,
    allocate: everything,
    select: zones({ body: rest }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2506.08373',
    checked: "authors' code",
    departures: ['the draft model is the first layers of the same model'],
  },
);
