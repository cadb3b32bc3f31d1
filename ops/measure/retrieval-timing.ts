/** Retrieval timing: how much the layers disagree about where to look, when the model is unsure, says when to fetch documents.
 *
 *  PORAG (tier-1 system critic-porag), multi-layer attention gradient: trigger = start e^(-decay used) G D content, with
 *  G = sum over layers j = 1 ... L - 1 of j / (L - 1) times the change of attention from layer j to the next, and
 *  D = (1 - chance) times the largest weight of each head of the last layer, weighted by its share of their entropy.
 *  Departures: the rows of the newest token itself, since attention from earlier tokens to it is zero in a causal model; a
 *  change is half the sum of absolute differences, so that it lies between 0 and 1. */
import { sumOf } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { number } from '../params.ts';
import { tensor } from '../tensor.ts';

const share = f32([1], { values: 'shares' });

export const retrievalTiming = operator({
  name: 'retrieval-timing',
  kind: 'measure',
  scope: 'model',
  title: 'when to retrieve',
  departures: ['rows of the newest token, not attention to it', 'half the sum of absolute differences as the change'],
  params: {
    start: number({ default: 0.8, min: 0, note: 'factor before anything was retrieved' }),
    decay: number({ default: 4, min: 0, note: 'how fast the factor falls with the share of retrievals that is used' }),
  },
  needs: () => [{ of: 'attention' }, { of: 'logits' }],
  inputs: {
    attention: f32(['L', 'Hq', 'T'], { values: 'rows', pad: 0 }),
    /** Probability that the model gave the token. */
    chance: share,
    /** 1 for a content word. */
    content: share,
    /** Retrievals so far over those that are allowed. */
    used: share,
  },
  outputs: { trigger: f32([1]) },

  reference({ attention, chance, content, used }, { start, decay }) {
    const [L, Hq, T] = attention!.dims as [number, number, number];
    const list = (n: number) => Array.from({ length: n }, (_, i) => i);
    const mean = list(L).map((l) => list(T).map((t) => sumOf(list(Hq).map((h) => attention!.get(l, h, t))) / Hq));
    const changes = list(L - 1).map((j) => sumOf(list(T).map((t) => Math.abs(mean[j + 1]![t]! - mean[j]![t]!))) / 2);
    const gradient = sumOf(changes.map((change, j) => ((j + 1) / (L - 1)) * change));
    const rows = list(Hq).map((h) => list(T).map((t) => attention!.get(L - 1, h, t)));
    const entropies = rows.map((row) => -sumOf(row.map((p) => (p > 0 ? p * Math.log(p) : 0))));
    const all = sumOf(entropies);
    const depth = sumOf(rows.map((row, h) => (all > 0 ? entropies[h]! / all : 1 / Hq) * Math.max(...row)));
    const factor = start * Math.exp(-decay * used!.get(0)) * (1 - chance!.get(0)) * content!.get(0);
    return { trigger: tensor([1], [factor * gradient * depth]) };
  },

  example: {
    // The last two layers look at different places: that change is 1 and counts whole; the last row's largest weight is 1.
    inputs: { attention: [[[1, 0]], [[1, 0]], [[0, 1]]], chance: [0.5], content: [1], used: [0] },
    outputs: { trigger: [0.4] },
  },
});
