/** By attention variance: layers whose attention is spread out may hold more than those where few entries receive most of it.
 *
 *  Wan et al. 2024, "D2O", arXiv:2406.13035, section 4.2: the variance of what the entries of each head received, between 0 and
 *  1 over the layers, mean over the heads; a layer gets its share of softmax(-variance). The first two layers and the last hold
 *  everything. Decided once, at the end of the prompt. */
import { softmaxOf, sumOf } from '../loops.ts';
import { neutral } from '../neutral.ts';
import type { Allocation, AllocationRequest } from './allocation.ts';
import { amountWords, type NamedAmounts, splitAmounts } from './amounts.ts';

/** Bounds of what a layer may hold, as a share of the prompt. */
const [least, most] = [0.01, 1];

export function byAttentionVariance(amounts: NamedAmounts, untouched: readonly number[]): Allocation {
  return {
    ...neutral('by-attention-variance', 'allocate', `by variance of attention: ${amountWords(amounts)}`),
    neutral: false,
    reads: 'scores',
    settles: true,
    allocate(request) {
      const { layers, kvHeads, promptLength } = request;
      const { fixed, sharing, left } = splitAmounts('by-attention-variance', amounts, request);
      const equal = (left ?? 0) / Math.max(1, sharing.length);
      const shares = layerShares(request);
      const whole = new Set(untouched.map((l) => (l < 0 ? layers + l : l)));
      const spread = (entries: number) =>
        Float64Array.from({ length: layers * kvHeads }, (_, head) => {
          const l = Math.floor(head / kvHeads);
          if (whole.has(l) || !Number.isFinite(entries)) return Number.POSITIVE_INFINITY;
          const wanted = Math.min(Math.max(entries * shares[l]!, (least * promptLength) / 2), most * promptLength);
          return Math.max(1, Math.round(wanted));
        });
      const zones: [string, number][] = [...fixed, ...sharing.map((zone): [string, number] => [zone, equal])];
      return new Map(zones.map(([zone, entries]) => [zone, spread(entries)]));
    },
  };
}

/** What each layer gets of an equal amount: mean 1 over the layers. */
export function layerShares({ layers, kvHeads, scores }: AllocationRequest): number[] {
  if (!scores) return new Array(layers).fill(1);
  const byHead = Array.from({ length: kvHeads }, (_, h) => {
    const variances = Array.from({ length: layers }, (_, l) => varianceOf(Array.from(scores(l, h))));
    const [low, high] = [Math.min(...variances), Math.max(...variances)];
    return variances.map((v) => (high > low ? (v - low) / (high - low) : 0));
  });
  const mean = Array.from({ length: layers }, (_, l) => sumOf(byHead.map((head) => head[l]!)) / kvHeads);
  return softmaxOf(mean.map((v) => -v)).map((share) => share * layers);
}

function varianceOf(x: readonly number[]): number {
  if (x.length === 0) return 0;
  const mean = sumOf(x) / x.length;
  return sumOf(x.map((v) => (v - mean) ** 2)) / x.length;
}
