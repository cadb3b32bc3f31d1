/** Scoring: how likely a given text is under a method, each token teacher-forced on the method's own cache. */
import { type Method, methods } from '@kvlab/ops';
import { fittedFor } from '../fit/fitted.ts';
import type { Model } from '../model/load.ts';
import { bytesOf, keptBy, type RunBytes } from './bytes.ts';
import { beforePrompt } from './pass.ts';
import { logSumExp } from './sampler.ts';
import { createSequence } from './sequence.ts';
import { feedPrompt, feedToken } from './steps.ts';

export interface ScoreOptions {
  method?: Method;
  /** Tokens fed as the prompt; the rest follow one by one. All but the last by default. */
  prefill?: number;
  /** Positions whose logits row (of the token after them) is wanted. */
  logitsAt?: readonly number[];
  chunk?: number;
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (fed: number, of: number) => void;
}
export interface Scored {
  /** nll[i] = -ln p(ids[prefill + i] | all before it), in nats. */
  nll: Float32Array;
  /** exp of the mean of `nll`. */
  perplexity: number;
  /** The logits row after each position of `logitsAt`, [V] each. */
  logits: Float32Array[];
  kept(layer: number, kvHead: number): Int32Array;
  bytes(): RunBytes;
}

export async function score(model: Model, ids: ArrayLike<number>, options: ScoreOptions = {}): Promise<Scored> {
  const {
    method = methods.full(),
    prefill = Math.max(1, ids.length - 1),
    logitsAt = [],
    chunk = 128,
    seed = 0,
    signal,
  } = options;
  const all = Array.from(ids);
  if (all.length === 0) throw new Error('score: there are no ids; give at least one');
  if (!Number.isInteger(prefill) || prefill < 1 || prefill > all.length)
    throw new RangeError(`score: prefill is ${prefill}; give 1 to ${all.length}, the number of ids`);
  const outside = logitsAt.find((p) => !(p >= 0 && p < all.length));
  if (outside !== undefined)
    throw new RangeError(`score: logitsAt has ${outside}; positions are 0 to ${all.length - 1}`);
  const sequence = createSequence(model, method, seed, await fittedFor(model, method, { signal }));
  const rows = new Map<number, Float32Array>();
  const wanted = new Set(logitsAt);
  const V = model.config.vocabulary;
  const early = [...wanted].some((p) => p < prefill - 1);
  const keep = (position: number, row: Float32Array): void => {
    if (wanted.has(position)) rows.set(position, row.slice());
  };
  const onRows = (logits: Float32Array, first: number): void => {
    for (let i = 0; i < logits.length / V; i++) keep(first + i, logits.subarray(i * V, (i + 1) * V));
  };
  const { ids: prompt, guests } = await beforePrompt(model, method, all.slice(0, prefill), signal);
  let logits = await feedPrompt(sequence, prompt, { chunk, guests, signal, ...(early ? { onRows } : {}) });
  keep(prefill - 1, logits);
  const nll = new Float32Array(all.length - prefill);
  for (let i = prefill; i < all.length; i++) {
    nll[i - prefill] = logSumExp(logits) - logits[all[i]!]!;
    options.onProgress?.(i, all.length);
    if (i === all.length - 1 && !wanted.has(i)) break;
    logits = await feedToken(sequence, all[i]!, { signal });
    keep(i, logits);
  }
  return {
    nll,
    perplexity: Math.exp(nll.reduce((a, b) => a + b, 0) / nll.length),
    logits: logitsAt.map((p) => rows.get(p)!),
    kept: (layer, kvHead) => keptBy(sequence, layer, kvHead),
    bytes: () => bytesOf(sequence),
  };
}
