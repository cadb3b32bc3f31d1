/** Compensation: its operator on rows of entries, in the runtime, or by its reference where there is none. */
import { type Bound, type Part, tensor } from '@kvlab/ops';
import type { CacheLayer } from '../cache/layer.ts';
import type { Operate } from '../operate/operate.ts';
import type { OperatorResult } from '../operate/value.ts';
import { readRow } from './score.ts';

/** An input of one head or of several, its first dimension. */
export interface HeadInput {
  dims: number[];
  data: Float32Array;
}

/** Rows of entries as the cache gives them back [H, T, D], in the order of `entries`; all heads have as many. */
export function headRows(
  layer: CacheLayer,
  part: Part,
  heads: readonly { kvHead: number; entries: Int32Array }[],
): HeadInput {
  const [D, T] = [layer.shape.headSize, heads[0]!.entries.length];
  const data = new Float32Array(heads.length * T * D);
  for (const [i, { kvHead, entries }] of heads.entries())
    for (let t = 0; t < T; t++)
      readRow(layer, kvHead, part, entries[t]!, data.subarray((i * T + t) * D, (i * T + t + 1) * D));
  return { dims: [heads.length, T, D], data };
}

/** What the operator gives for these heads. */
export async function compensated(
  compensate: Bound,
  inputs: Record<string, HeadInput>,
  { heads, headSize, layerIndex }: { heads: number; headSize: number; layerIndex: number },
  operate: Operate | undefined,
): Promise<Readonly<Record<string, Pick<OperatorResult, 'data'>>>> {
  const sizes = { Hkv: heads, Hq: heads, G: 1, D: headSize };
  if (operate) return operate(compensate, inputs, undefined, { sizes });
  return compensate.operator.reference(
    Object.fromEntries(Object.entries(inputs).map(([name, { dims, data }]) => [name, tensor(dims, data)])),
    compensate.params as never,
    { step: 0, seen: 0, promptLength: 0, layer: layerIndex, seed: 0, sizes },
  );
}
