/** Compensation of one head: its operator on rows of entries, in the runtime, or by its reference where there is none. */
import { type Bound, type Part, tensor } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import type { Operate } from '../operate/operate.ts';
import type { OperatorResult } from '../operate/value.ts';
import { readRow } from './score.ts';

/** An input of a head, its first dimension 1. */
export interface HeadInput {
  dims: number[];
  data: Float32Array;
}

/** Rows of entries of one head as the cache gives them back [1, T, D], in the order of `entries`. */
export function headRows(layer: CacheLayer, kvHead: number, part: Part, entries: Int32Array): HeadInput {
  const D = layer.shape.headSize;
  const data = new Float32Array(entries.length * D);
  for (const [t, e] of entries.entries()) readRow(layer, kvHead, part, e, data.subarray(t * D, (t + 1) * D));
  return { dims: [1, entries.length, D], data };
}

/** What the operator gives for one head. */
export async function compensated(
  compensate: Bound,
  inputs: Record<string, HeadInput>,
  at: { headSize: number; layerIndex: number },
  operate: Operate | undefined,
): Promise<Readonly<Record<string, Pick<OperatorResult, 'data'>>>> {
  const sizes = { Hkv: 1, Hq: 1, G: 1, D: at.headSize };
  if (operate) return operate(compensate, inputs, undefined, { sizes });
  return compensate.operator.reference(
    Object.fromEntries(Object.entries(inputs).map(([name, { dims, data }]) => [name, tensor(dims, data)])),
    compensate.params as never,
    { step: 0, seen: 0, promptLength: 0, layer: at.layerIndex, seed: 0, sizes },
  );
}
