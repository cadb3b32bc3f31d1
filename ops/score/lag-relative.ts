/** Lag-relative score: an entry stands out if its key and value vary much on the scale of the entries that follow it.
 *
 *  Liang et al. 2025, "LagKV", arXiv:2504.04704, and NVIDIA kvpress. Behind the sinks the entries are cut into parts of `lag`;
 *  each channel of a part is scaled by minimum and maximum of the next part, the deviation over channels gives a softmax
 *  inside the part, keys and values are averaged, and what counts is the rank inside the part. The sinks, the last whole part
 *  and what is left over score 1. Departure: a channel that is constant in the next part counts as 0. */
import { eachHead, rowsOf, softmaxOf, sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { count, flag } from '../params.ts';
import { heldInOrder } from './columns.ts';

export const lagRelative = operator({
  name: 'lag-relative',
  kind: 'score',
  scope: 'head',
  title: ({ lag }) => `variation against the next ${lag}`,
  paper: 'arXiv:2504.04704',
  departures: ['a channel that is constant in the next part counts as 0'],
  params: {
    sinks: count({ default: 4, note: 'first entries, which always stay' }),
    lag: count({ default: 128, min: 2, unit: 'entries', note: 'entries in a part' }),
    across: flag(false, 'compare scores of different parts; otherwise ranks inside each part'),
  },
  needs: () => [{ of: 'keys', rotated: true }, { of: 'values' }],
  inputs: { keys: heldInOrder, values: heldInOrder },
  outputs: { score: f32(['Hkv', 'T']) },

  reference({ keys, values }, { sinks, lag, across }) {
    const [Hkv, T] = keys!.dims as [number, number];
    const parts = Math.floor((T - sinks) / lag);
    const score = eachHead(Hkv, T, (h) => {
      const [ofKeys, ofValues] = [rowsOf(keys!, h), rowsOf(values!, h)];
      // Too short for two parts: newer entries are worth more.
      const scores = ofKeys.map((_, t) => (parts < 2 && t >= sinks ? t / T : 1));
      for (let from = sinks; from + 2 * lag <= sinks + parts * lag; from += lag) {
        const [k, v] = [shares(ofKeys, from, lag), shares(ofValues, from, lag)];
        const both = k.map((share, i) => (share + v[i]!) / 2);
        const order = both.map((_, i) => i).sort((a, b) => both[a]! - both[b]! || b - a);
        order.forEach((i, rank) => {
          scores[from + i] = across ? both[i]! : rank / lag;
        });
      }
      return scores;
    });
    return { score };
  },

  example: {
    // Parts (0, 0), (1, 3) and (0, 0), (1, 1): scaled by the second, the first part deviates by 0 and sqrt 2.
    inputs: {
      keys: [[[0, 0], [1, 3], [0, 0], [1, 1], [2, 2]]], // biome-ignore format: one row a key
      values: [[[0, 0], [1, 3], [0, 0], [1, 1], [2, 2]]], // biome-ignore format: one row a value
    },
    params: { sinks: 0, lag: 2 },
    outputs: { score: [[0, 0.5, 1, 1, 1]] },
  },
  variants: [{ lag: 8, sinks: 2 }, { lag: 16 }],
});

/** Softmax over a part of the deviations over channels, each channel scaled by the range of the next part. */
function shares(rows: readonly number[][], from: number, lag: number): number[] {
  const next = rows.slice(from + lag, from + 2 * lag);
  const ranges = rows[0]!.map((_, d) => {
    const column = next.map((row) => row[d]!);
    return { low: Math.min(...column), high: Math.max(...column) };
  });
  const deviations = rows.slice(from, from + lag).map((row) => {
    const scaled = row.map((v, d) => {
      const { low, high } = ranges[d]!;
      return high > low ? (v - low) / (high - low) : 0;
    });
    const mean = sumOf(scaled) / scaled.length;
    return Math.sqrt(sumOf(scaled.map((v) => (v - mean) ** 2)) / Math.max(1, scaled.length - 1));
  });
  return softmaxOf(deviations);
}
