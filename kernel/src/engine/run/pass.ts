/** Passes: what a method runs before the prompt is read, and the guests that it lets look at it. */
import { type Bound, type Method, methods, type Pass, type Tensor, tensor } from '@kvlab/ops';
import { rotateRow } from '../attend/rotary.ts';
import { inTimeOrder } from '../cache/table.ts';
import { readScoreInput } from '../keep/score.ts';
import type { Model } from '../model/load.ts';
import { mostLikely } from './sampler.ts';
import { createSequence, feedPrompt, feedThrough, feedToken } from './sequence.ts';

/** What a pass may ask for on this model; every run has a cache of its own, which is let go when it ends. */
function runnerOf(
  model: Model,
  full: Method,
  signal: AbortSignal | undefined,
): Parameters<NonNullable<Pass['before']>>[1] {
  return {
    async score(tokens: Int32Array, { layers, score }: { layers: number; score: Bound }): Promise<Tensor> {
      if (!(layers >= 1 && layers <= model.config.layers))
        throw new RangeError(`pass: ${layers} layers were asked for; the model has 1 to ${model.config.layers}`);
      const sequence = createSequence({ ...model, config: { ...model.config, layers } }, full);
      await feedThrough(sequence, Array.from(tokens), score, signal);
      const { group, queryHeads, kvHeads, headSize } = model.config;
      const layer = sequence.layers[layers - 1]!;
      const last = tokens.length - 1;
      const tail = sequence.tails[layers - 1]!;
      // Queries are rotated like the keys that they meet; their factor 1/sqrt(D) changes no order.
      const row = (head: number) =>
        tail.data.subarray(((head + 1) * tail.rows - 1) * headSize, (head + 1) * tail.rows * headSize);
      const turned = Array.from({ length: queryHeads }, (_, head) =>
        Array.from(rotateRow(row(head), last, sequence.rotary)),
      );
      const orders = layer.tables.map(inTimeOrder);
      const heads = layer.tables.map((_, h) => h);
      const inputs = {
        queries: { dims: [queryHeads, 1, headSize], data: turned.flat() },
        keys: readScoreInput('keys', layer, layers - 1, heads, orders, undefined),
      };
      const sizes = { Hq: queryHeads, Hkv: kvHeads, G: group, D: headSize };
      const { score: result } = await sequence.operate(score, inputs, undefined, { sizes });
      return tensor([tokens.length], Array.from(result!.data).slice(0, tokens.length));
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
