/** Passes: what a method runs before the prompt is read, and the guests that it lets look at it. */
import { type Bound, type Method, methods, type Pass, type Tensor, tensor } from '@kvlab/ops';
import { rotateRow } from '../attend/rotary.ts';
import { inTimeOrder } from '../cache/table.ts';
import { readScoreInput } from '../keep/score.ts';
import type { Model } from '../model/load.ts';
import { mostLikely } from './sampler.ts';
import { createSequence, type Sequence } from './sequence.ts';
import { feedPrompt, feedThrough, feedToken } from './steps.ts';

/** What a pass may ask for on this model; every run has a cache of its own, which is let go when it ends. */
function runnerOf(
  model: Model,
  full: Method,
  signal: AbortSignal | undefined,
): Parameters<NonNullable<Pass['before']>>[1] {
  return {
    async score(tokens, { layers, from = layers, score }): Promise<Tensor> {
      if (!(layers >= 1 && layers <= model.config.layers))
        throw new RangeError(`pass: ${layers} layers were asked for; the model has 1 to ${model.config.layers}`);
      if (!(from >= 1 && from <= layers))
        throw new RangeError(`pass: scores from layer ${from} of ${layers} were asked for; give 1 to ${layers}`);
      const sequence = createSequence({ ...model, config: { ...model.config, layers } }, full);
      await feedThrough(sequence, Array.from(tokens), score, signal);
      const best = tensor([tokens.length], new Array(tokens.length).fill(Number.NEGATIVE_INFINITY));
      for (let l = from - 1; l < layers; l++) {
        const { data } = await scoreLayer(sequence, l, score);
        for (let t = 0; t < tokens.length; t++) best.data[t] = Math.max(best.data[t]!, data[t]!);
      }
      return best;
    },
    async write(tokens: Int32Array, count: number, { method }: { method: unknown }): Promise<Int32Array> {
      const sequence = createSequence(model, method as Method);
      let logits = await feedPrompt(sequence, Array.from(tokens), { signal });
      const out: number[] = [];
      for (let i = 0; i < count; i++) {
        out.push(mostLikely(logits));
        if (i < count - 1) logits = await feedToken(sequence, out[i]!, { signal });
      }
      return Int32Array.from(out);
    },
  };
}

/** A score of one layer, from its keys and the last queries, both rotated. */
async function scoreLayer(sequence: Sequence, layerIndex: number, score: Bound): Promise<{ data: ArrayLike<number> }> {
  const { group, queryHeads, kvHeads, headSize } = sequence.model.config;
  const layer = sequence.layers[layerIndex]!;
  const { data, rows } = sequence.tails[layerIndex]!;
  // The model's queries carry 1/sqrt(D); papers and operators speak of them without.
  const turned = Array.from({ length: queryHeads * rows }, (_, i) => {
    const position = sequence.ids.length - rows + (i % rows);
    return Array.from(rotateRow(data.subarray(i * headSize, (i + 1) * headSize), position, sequence.rotary));
  });
  const orders = layer.tables.map(inTimeOrder);
  const heads = layer.tables.map((_, h) => h);
  const inputs = {
    queries: { dims: [queryHeads, rows, headSize], data: turned.flat().map((v) => v * Math.sqrt(headSize)) },
    keys: readScoreInput('keys', layer, layerIndex, heads, orders, undefined),
  };
  const sizes = { Hq: queryHeads, Hkv: kvHeads, G: group, D: headSize };
  return (await sequence.operate(score, inputs, undefined, { sizes })).score!;
}

/** What is really read for a prompt: the method's pass may choose its tokens, and add guests behind them. */
export async function beforePrompt(
  model: Model,
  method: Method,
  ids: readonly number[],
  signal?: AbortSignal,
): Promise<{ ids: number[]; guests: number[] }> {
  const before = method.declaration.passes?.before;
  if (!before) return { ids: [...ids], guests: [] };
  const { tokens, guests } = await before(Int32Array.from(ids), runnerOf(model, methods.full(), signal));
  return { ids: Array.from(tokens), guests: Array.from(guests ?? []) };
}
