/** Probed attention: what a key received from a few probe queries, divided by the number of them that could see it.
 *
 *  He et al. 2024, "ZipCache", arXiv:2405.14256, section 4.2: probes are the last share of the prompt's queries and a random
 *  share of all. Departures: one score for all heads of a layer, so that its values can share rows; every query of the answer
 *  is a probe; a query sees a key if some head gives it any attention. */
import { perElement } from '../cost.ts';
import { eachHead, sumOf } from '../loops.ts';
import type { Moment } from '../need.ts';
import { f32, operator } from '../operator.ts';
import { number } from '../params.ts';
import { maxColumn, sumColumn } from './columns.ts';
import { leastSeen } from './group-rows.ts';
import { hashedUniform } from './random-score.ts';

const share = (note: string) => number({ default: 0.05, min: 0, max: 1, note });

/** 1 for a query that is a probe, else 0. */
export function isProbe(position: number, { promptLength, seed }: Moment, o: { last: number; random: number }): number {
  if (position >= promptLength - Math.ceil(o.last * promptLength)) return 1;
  return Number(hashedUniform(seed, position, 0, 0x9b0be) < o.random);
}

export const probedAttention = operator({
  name: 'probed-attention',
  kind: 'score',
  scope: 'layer',
  title: ({ last, random }) => `mean attention of probes, last ${100 * last} % and random ${100 * random} %`,
  paper: 'arXiv:2405.14256',
  departures: ['one score for all heads of a layer', 'every query of the answer is a probe'],
  params: {
    last: share('share of the prompt whose queries are probes because they come last'),
    random: share('share of all queries of the prompt that are probes by chance'),
  },
  needs: () => [{ of: 'attention' }],
  inputs: {
    attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0 }),
    probes: f32(['Q', 1]),
  },
  made: { probes: (o, now, { queries }) => Array.from(queries, (position) => isProbe(position, now, o)) },
  state: { received: sumColumn, visible: maxColumn },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(3, 'Hq', 'Q', 'T'),

  graph(g, { attention, probes, received, visible }) {
    const rows = g.mul(g.reduceMean(attention!, 'Hq', true), probes!); // [1, Q, T]
    const seen = g.mul(g.cast(g.greater(g.reduceMax(attention!, 'Hq', true), leastSeen), 'f32'), probes!);
    const nowReceived = g.add(received!, g.reduceSum(rows, 1)); // [Hkv, T]
    const nowVisible = g.add(visible!, g.reduceSum(seen, 1));
    return { score: g.div(nowReceived, g.max(nowVisible, 1)), received: nowReceived, visible: nowVisible };
  },

  reference({ attention, probes, received: r, visible: v }) {
    const [Hq, Q, T] = attention!.dims as [number, number, number];
    const heads = r!.dims[0]!;
    // What one key was given by the probes, and how many of them could see it.
    const given = Array.from({ length: T }, (_, t) => {
      const rows = Array.from({ length: Q }, (_, q) => Array.from({ length: Hq }, (_, h) => attention!.get(h, q, t)));
      const share = (q: number) => (probes!.get(q, 0) * sumOf(rows[q]!)) / Hq;
      const sees = (q: number) => probes!.get(q, 0) * Number(Math.max(...rows[q]!) > leastSeen);
      return { share: sumOf(rows.map((_, q) => share(q))), seen: sumOf(rows.map((_, q) => sees(q))) };
    });
    const received = eachHead(heads, T, (h) => given.map(({ share }, t) => r!.get(h, t) + share));
    const visible = eachHead(heads, T, (h) => given.map(({ seen }, t) => v!.get(h, t) + seen));
    const score = eachHead(heads, T, (h) => given.map((_, t) => received.get(h, t) / Math.max(1, visible.get(h, t))));
    return { score, received, visible };
  },

  example: {
    // Only the second query is a probe; the third token was not there yet.
    inputs: {
      attention: [[[1, 0, 0], [0.25, 0.75, 0], [0.5, 0.25, 0.25]]], // biome-ignore format: one line
      probes: [[0], [1], [0]],
      received: [[0, 0, 0]],
      visible: [[0, 0, 0]],
    },
    outputs: { score: [[0.25, 0.75, 0]], received: [[0.25, 0.75, 0]], visible: [[1, 1, 0]] },
  },
});
