/** Head classes from a number for each head: the best ones are retrieval heads. */
import { type Tensor, tensor } from '../tensor.ts';
import type { Capture } from './fit.ts';

/** Refuses a share of heads that is none. */
export function checkShare(fit: string, name: string, share: number): void {
  if (!(share >= 0 && share <= 1))
    throw new RangeError(`fit ${fit}: ${name} is ${share}; give a share of the heads, 0 to 1`);
}

/** [L, Hkv] of 1 and 0: 1 for the share of heads (rounded up) with the largest numbers, the earlier of equals. */
export function bestHeads(numbers: readonly (readonly number[])[], share: number): Tensor {
  const flat = numbers.flat();
  const order = flat.map((_, i) => i).sort((a, b) => flat[b]! - flat[a]! || a - b);
  const out = tensor([numbers.length, numbers[0]?.length ?? 0]);
  for (const i of order.slice(0, Math.ceil(share * flat.length - 1e-9))) out.data[i] = 1;
  return out;
}

/** 1 where either is 1. */
export function eitherClass(a: Tensor, b: Tensor): Tensor {
  return tensor(
    a.dims,
    a.data.map((v, i) => Math.max(v, b.data[i]!)),
  );
}

/** For each key head of a capture the largest number of its query heads, added to those of earlier samples. */
export function addBestOfGroups(
  sums: number[][],
  { layer, kvHeads, tensors }: Capture,
  ofQueryHead: (attention: Tensor, queryHead: number) => number,
): void {
  const attention = tensors.attention!;
  const G = attention.dims[0]! / kvHeads;
  const members = Array.from({ length: G }, (_, m) => m);
  const best = (h: number) => Math.max(...members.map((m) => ofQueryHead(attention, h * G + m)));
  sums[layer] = Array.from({ length: kvHeads }, (_, h) => best(h) + (sums[layer]?.[h] ?? 0));
}
