/** Plain loops that several references share. */
import { roundHalfEven, type Tensor, tensor } from './tensor.ts';

export type GroupReduction = 'sum' | 'mean' | 'max';

/** One number from those of a group of query heads. */
export function reduced(values: readonly number[], by: GroupReduction): number {
  if (by === 'max') return values.reduce((a, b) => Math.max(a, b));
  const sum = values.reduce((a, b) => a + b, 0);
  return by === 'mean' ? sum / values.length : sum;
}

/** score [Hkv, T]: for each key head and entry, what its G query heads give, reduced to one number. */
export function overGroups(
  Hkv: number,
  G: number,
  T: number,
  by: GroupReduction,
  ofQueryHead: (queryHead: number, t: number) => number,
): Tensor {
  const score = tensor([Hkv, T]);
  for (let h = 0; h < Hkv; h++)
    for (let t = 0; t < T; t++) {
      const members = Array.from({ length: G }, (_, member) => ofQueryHead(h * G + member, t));
      score.set(reduced(members, by), h, t);
    }
  return score;
}

/** Each row of x [H, T] smoothed over a window; places outside hold nothing in a maximum and zeros in a mean. */
export function pooled(x: Tensor, kind: 'max' | 'mean' | 'none', kernel: number): Tensor {
  const [H, T] = x.dims as [number, number];
  if (kind === 'none' || kernel <= 1) return x;
  const out = tensor([H, T]);
  const half = Math.floor(kernel / 2);
  for (let h = 0; h < H; h++)
    for (let t = 0; t < T; t++) {
      const near: number[] = [];
      for (let s = Math.max(0, t - half); s < Math.min(T, t - half + kernel); s++) near.push(x.get(h, s));
      out.set(kind === 'max' ? Math.max(...near) : reduced(near, 'sum') / kernel, h, t);
    }
  return out;
}

/** score [Hkv, T] from the rows of each key head: `ofHead` gets its number and gives one score for each entry. */
export function eachHead(Hkv: number, T: number, ofHead: (kvHead: number) => readonly number[]): Tensor {
  return tensor([Hkv, T], Array.from({ length: Hkv }, (_, h) => ofHead(h)).flat());
}

/** The rows of one head of x [H, T, D] as lists. */
export function rowsOf({ dims, data }: Tensor, head: number): number[][] {
  const [T, D] = [dims[1]!, dims[2]!];
  return Array.from({ length: T }, (_, t) => Array.from(data.subarray((head * T + t) * D, (head * T + t + 1) * D)));
}
export const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
export const lengthOf = (x: readonly number[]): number => Math.sqrt(sumOf(x.map((v) => v * v)));
/** exp of each number, divided by their sum. */
export function softmaxOf(x: readonly number[]): number[] {
  const most = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = x.map((v) => Math.exp(v - most));
  const all = sumOf(weights);
  return weights.map((w) => w / all);
}

/** The nearest number with 11 significant bits, ties to even: what a normal f16 can hold. */
export function nearestHalf(v: number): number {
  const step = 2 ** (Math.floor(Math.log2(Math.abs(v) || 1)) - 10);
  return roundHalfEven(v / step) * step;
}

/** A tensor like x [H, T, D], each number made from the old one and where it stands. */
export function eachNumber(x: Tensor, make: (v: number, h: number, t: number, d: number) => number): Tensor {
  const [, T, D] = x.dims as [number, number, number];
  return tensor(
    x.dims,
    x.data.map((v, i) => make(v, Math.floor(i / (T * D)), Math.floor(i / D) % T, i % D)),
  );
}
