/** Below-average count: an entry that most recent queries found less worthy than the average entry is worth least.
 *
 *  Liu et al. 2023, "Scissorhands", arXiv:2305.17118, section 4: entries that are unimportant now stay unimportant, so those
 *  most often below 1 / (entries seen) go. Score = -count, ties broken by the attention received.
 *  Departures: the history is two halves, the one being filled and the one before, so that the count covers between half and
 *  all of `history` queries; with grouped queries the mean over the group is compared. */
import { perElement } from '../cost.ts';

import { f32, operator } from '../operator.ts';
import { count } from '../params.ts';
import { tensor } from '../tensor.ts';
import { maxColumn, sumColumn } from './columns.ts';
import { groupRows, leastSeen } from './group-rows.ts';

/** Attention this close to the average counts as average, so that uniform rows count nowhere on any device. */
const slack = 1 - 1e-5;

export const belowAverageCount = operator({
  name: 'below-average-count',
  kind: 'score',
  scope: 'head',
  title: ({ history }) => `seldom below average in the last ${history}`,
  paper: 'arXiv:2305.17118',
  departures: ['the history is kept as two halves', 'grouped queries: the mean over the group is compared'],
  params: { history: count({ default: 64, min: 2, unit: 'queries', note: 'how many queries are remembered at most' }) },
  needs: () => [{ of: 'attention' }],
  inputs: {
    attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0 }),
    // Which half of the history a query and the old counts belong to: 1 or 0.
    newer: f32(['Q', 1]),
    older: f32(['Q', 1]),
    stays: f32([1]),
    ages: f32([1]),
  },
  made: {
    newer: ({ history }, _, { queries }) => Array.from(queries, (p) => Number(ageOf(p, queries, history) === 0)),
    older: ({ history }, _, { queries }) => Array.from(queries, (p) => Number(ageOf(p, queries, history) === 1)),
    stays: ({ history }, _, { queries }) => [Number(ageOf(queries[0]! - 1, queries, history) === 0)],
    ages: ({ history }, _, { queries }) => [Number(ageOf(queries[0]! - 1, queries, history) === 1)],
  },
  state: {
    current: maxColumn,
    before: maxColumn,
    received: sumColumn,
  },
  outputs: { score: f32(['Hkv', 'T']) },
  cost: perElement(5, 'Hq', 'Q', 'T'),

  graph(g, { attention, newer, older, stays, ages, current, before, received }) {
    const rows = groupRows(g, attention!); // [Hkv, Q, T]
    const seen = g.cast(g.greater(rows, leastSeen), 'f32');
    const average = g.div(slack, g.max(g.reduceSum(seen, 'T', true), 1)); // [Hkv, Q, 1]
    const below = g.mul(seen, g.cast(g.less(rows, average), 'f32')); // [Hkv, Q, T]
    const counted = (half: typeof below) => g.reduceSum(g.mul(below, half), 'Q'); // [Hkv, T]
    const nowBefore = g.add(g.add(g.mul(before!, stays!), g.mul(current!, ages!)), counted(older!));
    const nowCurrent = g.add(g.mul(current!, stays!), counted(newer!));
    const nowReceived = g.add(received!, g.reduceSum(rows, 'Q'));
    const tie = g.div(nowReceived, g.add(nowReceived, 1)); // below 1, so that it only breaks ties
    const score = g.sub(tie, g.add(nowCurrent, nowBefore));
    return { score, current: nowCurrent, before: nowBefore, received: nowReceived };
  },

  reference({ attention, newer, older, stays, ages, current: c, before: b, received: r }) {
    const [Hq, Q, T] = attention!.dims as [number, number, number];
    const Hkv = c!.dims[0]!;
    const G = Hq / Hkv;
    const [score, current, before, received] = [0, 0, 0, 0].map(() => tensor([Hkv, T])) as [
      typeof c,
      typeof c,
      typeof c,
      typeof c,
    ];
    for (let h = 0; h < Hkv; h++) {
      for (let t = 0; t < T; t++) {
        current!.set(c!.get(h, t) * stays!.get(0), h, t);
        before!.set(b!.get(h, t) * stays!.get(0) + c!.get(h, t) * ages!.get(0), h, t);
        received!.set(r!.get(h, t), h, t);
      }
      for (let q = 0; q < Q; q++) {
        const mean = (t: number) => {
          let sum = 0;
          for (let member = 0; member < G; member++) sum += attention!.get(h * G + member, q, t);
          return sum / G;
        };
        const row = Array.from({ length: T }, (_, t) => mean(t));
        const visible = row.filter((v) => v > leastSeen).length;
        row.forEach((v, t) => {
          received!.add(v, h, t);
          if (v <= leastSeen || v >= slack / Math.max(1, visible)) return;
          current!.add(newer!.get(q, 0), h, t);
          before!.add(older!.get(q, 0), h, t);
        });
      }
      for (let t = 0; t < T; t++) {
        const all = received!.get(h, t);
        score!.set(all / (all + 1) - current!.get(h, t) - before!.get(h, t), h, t);
      }
    }
    return { score: score!, current: current!, before: before!, received: received! };
  },

  example: {
    // Four entries: below 1/4 are the last two.
    inputs: {
      attention: [[[0.4, 0.3, 0.2, 0.1]]],
      current: [[0, 0, 0, 5]],
      before: [[0, 0, 0, 0]],
      received: [[0, 0, 0, 0]],
    },
    outputs: {
      score: [[0.4 / 1.4, 0.3 / 1.3, 0.2 / 1.2 - 1, 0.1 / 1.1 - 6]],
      current: [[0, 0, 1, 6]],
    },
  },
  nearTies: 0.001,
});

/** How many halves of the history lie between a query and the newest one. */
function ageOf(position: number, queries: ArrayLike<number>, history: number): number {
  const half = Math.max(1, Math.floor(history / 2));
  return Math.floor(queries[queries.length - 1]! / half) - Math.floor(position / half);
}
