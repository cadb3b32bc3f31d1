/** What a model projects while it reads tokens with the full cache, and the products of rotated queries and keys. */
import { methods } from '@kvlab/ops';
import type { Model, Projection } from '../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt } from '../../kernel/src/engine/run/steps.ts';
import { dot } from './by-hand.ts';

export interface Projected {
  /** Products of a query and a key at their positions, divided by the root of the head size. */
  product(layer: number, queryHead: number, query: number, key: number): number;
}

/** Reads all tokens in one chunk and keeps the projections of every layer. */
export async function projected(model: Model, ids: readonly number[]): Promise<Projected> {
  const found: Projection[] = [];
  const watched: Model = {
    ...model,
    async project(layer, ...rest) {
      return (found[layer] = await model.project(layer, ...rest));
    },
  };
  await feedPrompt(createSequence(watched, methods.full()), ids, { chunk: ids.length });
  const { headSize: D, group, ropeFrequencies } = model.config;
  const T = ids.length;
  const turned = (data: Float32Array, row: number, position: number): number[] => {
    const out = new Array<number>(D);
    ropeFrequencies.forEach((frequency, pair) => {
      const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
      const [even, odd] = [data[row * D + 2 * pair]!, data[row * D + 2 * pair + 1]!];
      out[2 * pair] = even * cos - odd * sin;
      out[2 * pair + 1] = even * sin + odd * cos;
    });
    return out;
  };
  // Queries lie as [KV head, member of its group, token], which is [query head, token]; they carry 1/sqrt(D).
  return {
    product: (layer, queryHead, query, key) =>
      dot(
        turned(found[layer]!.queries, queryHead * T + query, query),
        turned(found[layer]!.keys, Math.floor(queryHead / group) * T + key, key),
      ),
  };
}
