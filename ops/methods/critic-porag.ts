/** CRITIC: attention, entropy and gradient of an entry, mixed; the fuller the memory, the more must go. */
import { byPressure } from '../allocate/by-pressure.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { retrievalTiming } from '../measure/retrieval-timing.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { accumulatedAttention } from '../score/accumulated-attention.ts';
import { blend } from '../score/blend.ts';
import { outputGradient } from '../score/output-gradient.ts';
import { rowEntropy } from '../score/row-entropy.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';

export const criticPorag = method(
  'CRITIC (PORAG)',
  { weights: { attention: 0.6, entropy: 0.2, gradient: 0.2 }, ratio: 0.3, gain: 0, least: 16 },
  (o) => ({
    when: ['prompt', 'step'],
    score: blend(
      'sum',
      { attention: accumulatedAttention(), entropy: rowEntropy(), gradient: outputGradient() },
      { weights: o.weights },
    ),
    allocate: byPressure(o, { ratio: o.ratio, gain: o.gain, least: o.least }),
    select: zones({ body: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
    watch: [retrievalTiming()],
  }),
  {
    paper: '',
    checked: 'the text of the paper',
    departures: ['column sums; entropy over its maximum; a share of all seen stays; nothing is retrieved'],
    total: ['ratio', 'least'],
  },
);
