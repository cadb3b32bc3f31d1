/** Noisy attention: accumulated softmax of logits with random noise, so that a key that is left out may still come back.
 *
 *  Adnan et al. 2024, "Keyformer", arXiv:2403.09054, section 3. The noise is Gumbel's; the temperature rises while text is
 *  generated, since evicting tokens makes what is left look too certain. The attention itself stays without noise.
 *  Departures: with grouped queries the sum over the group; noise from a table of 65,536 quantiles, chosen by hashing head,
 *  query, entry, layer and seed, so that devices agree. */
import { perElement } from '../cost.ts';
import { maxGroups, meanGroups, sumGroups } from '../graph/composites.ts';
import { overGroups, softmaxOf, sumOf } from '../loops.ts';
import { pairs } from '../made.ts';
import { f32, operator } from '../operator.ts';
import { choice, count, number } from '../params.ts';
import { sumColumn } from './columns.ts';

const quantiles = Float32Array.from({ length: 65536 }, (_, i) => -Math.log(-Math.log((i + 0.5) / 65536)));

/** A number of Gumbel's distribution for a query head's query and an entry. */
export function gumbelNoise(seed: number, layer: number, queryHead: number, query: number, entry: number): number {
  const head = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(layer * 64 + queryHead + 1, 0x85ebca77);
  let h = head ^ Math.imul(query + 1, 0xc2b2ae3d) ^ Math.imul(entry + 1, 0x27d4eb2f);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return quantiles[(h ^ (h >>> 16)) & 0xffff]!;
}

export const noisyAttention = operator({
  name: 'noisy-attention',
  kind: 'score',
  scope: 'head',
  title: ({ start, end }) => `attention with Gumbel noise, temperature ${start} to ${end}`,
  paper: 'arXiv:2403.09054',
  departures: ['grouped queries: sum over the group', 'noise from a table of 65,536 quantiles'],
  params: {
    start: number({ default: 1, min: 0.01, max: 100, note: 'temperature of the prompt' }),
    end: number({ default: 2, min: 0.01, max: 100, note: 'temperature after `steps` generated tokens' }),
    steps: count({
      default: 128,
      min: 1,
      unit: 'tokens',
      note: 'length of the rise; the temperature stays there after',
    }),
    noise: number({ default: 1, min: 0, max: 10, note: 'strength of the noise; 0 = accumulated attention' }),
    group: choice(['sum', 'mean', 'max'], 'sum', 'how the query heads of a group become one score'),
  },
  needs: () => [{ of: 'products' }],
  inputs: {
    products: f32(['Hq', 'Q', 'T'], { values: 'products', pad: -1e30 }),
    noise: f32(['Hq', 'Q', 'T']),
    temperature: f32([1]),
  },
  made: {
    noise: ({ noise }, { seed, layer }, at) =>
      pairs(at, (head, query, entry) => (noise === 0 ? 0 : noise * gumbelNoise(seed, layer, head, query, entry))),
    temperature: ({ start, end, steps }, { step }) => [start + (end - start) * Math.min(1, step / steps)],
  },
  state: { score: sumColumn },
  outputs: { score: sumColumn },
  cost: perElement(4, 'Hq', 'Q', 'T'),

  graph(g, { products, noise, temperature, score }, { group }) {
    const rows = g.softmax(g.div(g.add(products!, noise!), temperature!), 'T'); // [Hq, Q, T]
    const perKey = { sum: sumGroups, mean: meanGroups, max: maxGroups }[group](g, g.reduceSum(rows, 'Q')); // [Hkv, T]
    return { score: g.add(score!, perKey) };
  },

  reference({ products, noise, temperature, score: before }, { group }) {
    const [Hq, Q, T] = products!.dims as [number, number, number];
    const Hkv = before!.dims[0]!;
    const received = Array.from({ length: Hq }, (_, h) => {
      const row = (q: number) => Array.from({ length: T }, (_, t) => products!.get(h, q, t) + noise!.get(h, q, t));
      const rows = Array.from({ length: Q }, (_, q) => softmaxOf(row(q).map((x) => x / temperature!.get(0))));
      return Array.from({ length: T }, (_, t) => sumOf(rows.map((r) => r[t]!)));
    });
    const score = overGroups(Hkv, Hq / Hkv, T, group, (queryHead, t) => received[queryHead]![t]!);
    for (let h = 0; h < Hkv; h++) for (let t = 0; t < T; t++) score.add(before!.get(h, t), h, t);
    return { score };
  },

  example: {
    // Logits 2 and 0 at temperature 2, without noise: 0.7311 and 0.2689.
    inputs: { products: [[[2, 0]]], noise: [[[0, 0]]], temperature: [2], score: [[0, 1]] },
    outputs: { score: [[0.731058578, 1.268941421]] },
  },
});
