/** KVQuant: keys before rotary on fitted levels of their channels, values on those of their token, outliers and sinks exact. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { exceptOutliers } from '../encode/except-outliers.ts';
import { levels } from '../encode/levels.ts';
import { beforeRotary, pipe } from '../encode/pipe.ts';
import { nonUniformLevels } from '../fit/nonuniform-levels.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { first } from '../select/first.ts';
import { rest } from '../select/rest.ts';
import { zones } from '../select/zones.ts';

export const kvQuant = method(
  'KVQuant',
  { bits: 3, outliers: 1, limits: 0.01, sinks: 1, qNorm: true },
  (o) => {
    const coded = (part: 'keys' | 'values', per: 'channel' | 'token', outliers: number) =>
      levels({ bits: o.bits, per, fit: nonUniformLevels({ part, bits: o.bits, outliers, qNorm: o.qNorm }) });
    const keys = exceptOutliers(coded('keys', 'channel', o.limits), { per: 'limits', count: o.outliers });
    const values = exceptOutliers(coded('values', 'token', o.outliers), { per: 'token', count: o.outliers });
    return {
      when: ['prompt', 'step'],
      score: nothing,
      allocate: everything,
      select: zones({ sinks: first(o.sinks), body: rest }),
      compensate: nothing,
      encode: { keys: pipe(beforeRotary, exact), body: { keys: pipe(beforeRotary, keys), values } },
      place: oneTier,
      fetch: all,
      attend: rows(),
    };
  },
  { paper: 'arXiv:2401.18079', checked: "authors' simulation", departures: ['outliers: so many a token', 'sensitivities in closed form'] }, // biome-ignore format: one line
);
