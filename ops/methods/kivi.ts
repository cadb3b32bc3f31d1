/** KIVI: keys in few bits per channel, values in few bits per token, the newest entries exact. */
import { everything } from '../allocate/everything.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { half } from '../encode/half.ts';
import { quant } from '../encode/quant.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asCode } from '../profile.ts';
import { last } from '../select/last.ts';
import { remainder } from '../select/remainder.ts';
import { rest } from '../select/rest.ts';
import { byPart, zones } from '../select/zones.ts';

export const kivi = method(
  'KIVI',
  { bits: 2, group: 32, residual: 128, residualAs: 'exact' as 'exact' | 'half', ...asCode },
  (o) => ({
    when: ['prompt', 'step'],
    score: nothing,
    allocate: everything,
    select: byPart({
      keys: zones({ residual: remainder(o.residual), body: rest }),
      values: zones({ residual: last(o.residual), body: rest }),
    }),
    compensate: nothing,
    encode: {
      residual: { exact, half }[o.residualAs],
      body: {
        keys: quant({ bits: o.bits, group: o.group, per: 'channel' }),
        values: quant({ bits: o.bits, group: o.group, per: 'token' }),
      },
    },
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2402.02750', checked: "authors' code; its bytes to the byte", profiles: { authors: { residual: 32 } } }, // biome-ignore format: one line
);
