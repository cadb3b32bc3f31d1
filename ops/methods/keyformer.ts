/** Keyformer: recent tokens, and those that noisy attention with a rising temperature found to be key tokens. */
import { ofBudget } from '../allocate/amounts.ts';
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method, type When } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { asCode } from '../profile.ts';
import { noisyAttention } from '../score/noisy-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const keyformer = method(
  'Keyformer',
  { kept: 0.6, recent: 0.3, temperature: [1, 2] as [number, number], noise: 1, steps: 128, when: ['prompt', 'step'] as readonly When[], ...asCode }, // biome-ignore format: one line
  (o) => ({
    when: o.when,
    score: noisyAttention({ start: o.temperature[0], end: o.temperature[1], noise: o.noise, steps: o.steps }),
    allocate: uniform({ keep: o.keep ?? o.kept, entries: o.entries, bytes: o.bytes, recent: ofBudget(o.recent) }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2403.09054',
    checked: "authors' code",
    departures: ['a generated token may become a key token (in one variant of the code none can)'],
    total: ['kept'],
    amounts: ['recent'],
    profiles: { authors: { when: ['prompt', { every: 8 }] } },
  },
);
