/** GemFilter: early layers read the whole prompt once; the tokens that their last query looks at are then all the model reads. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { filterPrompt } from '../pass/filter-prompt.ts';
import { lastQueryProducts } from '../score/last-query-products.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const gemFilter = method(
  'GemFilter',
  { layer: 13, tokens: 1024, pool: 5 },
  (o) => ({
    when: [],
    passes: filterPrompt({
      layers: o.layer,
      tokens: o.keep === 1 ? Number.POSITIVE_INFINITY : (o.keep ?? o.entries ?? o.tokens),
      score: lastQueryProducts({ pool: o.pool }),
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
  { paper: 'arXiv:2409.17422', checked: "authors' code" },
);
