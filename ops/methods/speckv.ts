/** SpecKV: a cheap draft of the answer votes beside the last queries of the prompt for what stays. */
import { uniform } from '../allocate/uniform.ts';
import { rows } from '../attend/rows.ts';
import { exact } from '../encode/exact.ts';
import { method } from '../method.ts';
import { all, nothing, oneTier } from '../neutral.ts';
import { lookahead } from '../pass/lookahead.ts';
import { once } from '../profile.ts';
import { windowAttention } from '../score/window-attention.ts';
import { last } from '../select/last.ts';
import { top } from '../select/top.ts';
import { zones } from '../select/zones.ts';
import { streamingLLM } from './streamingllm.ts';

export const specKV = method(
  'SpecKV',
  { entries: 256, window: 32, kernel: 7, draft: 8, when: once },
  (o) => ({
    when: o.when,
    passes: lookahead({ draft: streamingLLM({ sinks: 4, recent: 256 }), tokens: o.draft }),
    score: windowAttention({ window: o.window, kernel: o.kernel, reduce: 'max', guests: o.draft }),
    allocate: uniform({ keep: o.keep, entries: o.entries, bytes: o.bytes, recent: o.window }),
    select: zones({ recent: last, heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  {
    paper: 'arXiv:2506.08373',
    checked: "authors' code",
    departures: ['the draft is written by the same model with a streaming cache'],
    total: ['entries'],
  },
);
