/** Probed attention: what a key received from a few probe queries, divided by the number of them that could see it.
 *
 *  He et al. 2024, "ZipCache", arXiv:2405.14256, section 4.2: probes are the last share of the prompt's queries and a random
 *  share of all. Departures: one score for all heads of a layer, so that its values can share rows; every query of the answer
 *  is a probe; a query sees a key if some head gives it any attention. */
import { perElement } from '../cost.ts';
import type { Moment } from '../need.ts';
import { f32, operator } from '../operator.ts';
import { number } from '../params.ts';
import { tensor } from '../tensor.ts';
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
    const [received, visible, score] = [tensor(r!.dims, r!.data), tensor(v!.dims, v!.data), tensor(r!.dims)];
    for (let t = 0; t < T; t++) {
      for (let q = 0; q < Q; q++) {
        const given = Array.from({ length: Hq }, (_, h) => attention!.get(h, q, t));
        const probe = probes!.get(q, 0);
        for (let h = 0; h < r!.dims[0]!; h++) {
          received.add((probe * given.reduce((a, b) => a + b)) / Hq, h, t);
          if (Math.max(...given) > leastSeen) visible.add(probe, h, t);
        }
      }
      for (let h = 0; h < r!.dims[0]!; h++) score.set(received.get(h, t) / Math.max(1, visible.get(h, t)), h, t);
    }
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
