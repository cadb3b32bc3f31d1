/** Non-uniform levels: where the few levels of a code should lie, so that what matters is moved least.
 *
 *  Hooper et al. 2024, "KVQuant", arXiv:2401.18079, sections 3.1 to 3.5: limits of each key channel are percentiles, values are
 *  taken on the range of their token without its outliers; levels are the centres of a weighted k-means on -1 to 1; Q-Norm
 *  gives the levels mean and spread of what they stand for. Departure: weights follow from the error of attention in closed
 *  form (keys: energy of the queries on the rotary pair; values: squared attention), not from gradients of the loss. */
import { type Tensor, tensor } from '../tensor.ts';
import type { Capture, Fit } from './fit.ts';
import { type Histogram, histogram, levelsOf } from './histogram.ts';

export interface LevelFit {
  part: 'keys' | 'values';
  bits: number;
  /** Keys: share of numbers outside the limits. Values: outliers on each side of a token. */
  outliers: number;
  qNorm?: boolean;
  count?: number;
  tokens?: number;
  seed?: number;
}

export function nonUniformLevels({
  part,
  bits,
  outliers,
  qNorm = false,
  count = 2,
  tokens = 512,
  seed = 0,
}: LevelFit): Fit {
  const range = { dtype: 'f32', dims: ['L', 'Hkv', 'D'] } as const;
  const codebook = { dtype: 'f32', dims: ['L', 'R'] } as const;
  return {
    name: `levels of ${part} ${bits} ${outliers} ${qNorm} ${count} ${tokens} ${seed}`,
    samples: 'prose',
    seed,
    count,
    tokens,
    needs: part === 'keys' ? [{ of: 'keys' }, { of: 'queries' }] : [{ of: 'values' }, { of: 'attention' }],
    gives: part === 'keys' ? { codebook, middle: range, reach: range } : { codebook },
    start() {
      const layers: { seen: Histogram; captures: Capture[] }[] = [];
      return {
        see(capture) {
          const layer = (layers[capture.layer] ??= { seen: histogram(), captures: [] });
          if (part === 'values') addValues(layer.seen, capture, outliers);
          else layer.captures.push(onlyKeys(capture));
        },
        async give(pause): Promise<Record<string, Tensor>> {
          const books: number[] = [];
          const [middles, reaches]: [number[], number[]] = [[], []];
          for (const [l, { seen, captures }] of layers.entries()) {
            await pause(l / layers.length);
            if (part === 'keys') addKeys(seen, captures, outliers, middles, reaches);
            books.push(...levelsOf(seen, 2 ** bits, qNorm));
          }
          const book = tensor([layers.length, 2 ** bits], books);
          if (part === 'values') return { codebook: book };
          const [H, , D] = layers[0]!.captures[0]!.tensors.keys!.dims as [number, number, number];
          const limits = (of: number[]) => tensor([layers.length, H, D], of);
          return { codebook: book, middle: limits(middles), reach: limits(reaches) };
        },
      };
    },
  };
}

/** What is kept of a sample until all are read: keys, and the energy of queries on each channel [Hkv, D]. */
function onlyKeys({ tensors: { keys, queries }, kvHeads, ...rest }: Capture): Capture {
  const [Hq, T, D] = queries!.dims as [number, number, number];
  const energy = tensor([kvHeads, D]);
  for (let h = 0; h < Hq; h++)
    for (let t = 0; t < T; t++)
      for (let d = 0; d < D; d++)
        for (const side of [d, d ^ 1]) energy.add(queries!.get(h, t, d) ** 2 / T, Math.floor((h * kvHeads) / Hq), side);
  return { ...rest, kvHeads, tensors: { keys: keys!, energy } };
}

/** Limits of each channel, and what the levels will have to stand for on -1 to 1: all but the number of each row that lies
 *  farthest beyond its limits and stays exact; what else lies beyond is cut to them. */
function addKeys(
  seen: Histogram,
  captures: readonly Capture[],
  outliers: number,
  middles: number[],
  reaches: number[],
) {
  const { kvHeads } = captures[0]!;
  const D = captures[0]!.tensors.keys!.dims[2]!;
  const channels = Array.from({ length: kvHeads * D }, (_, c) => {
    const [h, d] = [Math.floor(c / D), c % D];
    const sorted = captures
      .flatMap(({ tensors: { keys } }) => Array.from({ length: keys!.dims[1]! }, (_, t) => keys!.get(h, t, d)))
      .sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
    const [low, high] = [at(outliers / 2), at(1 - outliers / 2)];
    const energy = captures.reduce((sum, { tensors }) => sum + tensors.energy!.get(h, d), 0);
    return { middle: (low + high) / 2, reach: (high - low) / 2, energy };
  });
  middles.push(...channels.map(({ middle }) => middle));
  reaches.push(...channels.map(({ reach }) => reach));
  for (const { tensors } of captures)
    for (let h = 0; h < kvHeads; h++)
      for (let t = 0; t < tensors.keys!.dims[1]!; t++) {
        const own = channels.slice(h * D, (h + 1) * D);
        const off = own.map(({ middle }, d) => tensors.keys!.get(h, t, d) - middle);
        const beyond = off.map((v, d) => Math.abs(v) - own[d]!.reach);
        const exact = beyond.indexOf(beyond.reduce((a, b) => Math.max(a, b)));
        for (const [d, { reach, energy }] of own.entries())
          if (d !== exact && reach > 0) seen.add(Math.min(Math.max(off[d]! / reach, -1), 1), energy * reach * reach);
      }
}

/** Values of each token on the range that is left without its outliers, weighted with the attention that it received. */
function addValues(seen: Histogram, { tensors: { values, attention }, kvHeads }: Capture, outliers: number): void {
  const [H, T, D] = values!.dims as [number, number, number];
  const G = attention!.dims[0]! / kvHeads;
  for (let h = 0; h < H; h++)
    for (let t = 0; t < T; t++) {
      const numbers = Array.from({ length: D }, (_, d) => values!.get(h, t, d));
      const order = numbers.toSorted((a, b) => a - b);
      const inside = order.slice(outliers, D - outliers);
      const [middle, reach] = [(inside[0]! + inside.at(-1)!) / 2, (inside.at(-1)! - inside[0]!) / 2];
      let received = 0;
      for (let member = 0; member < G; member++)
        for (let q = t; q < T; q++) received += attention!.get(h * G + member, q, t) ** 2;
      if (reach > 0) for (const v of inside) seen.add((v - middle) / reach, received * reach * reach);
    }
}
