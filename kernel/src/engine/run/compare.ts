/** Comparison: several methods and the full cache on the same tokens, in lock step, so that logits are never stored. */
import { type Fitted, type Method, methods } from '@kvlab/ops';
import { fittedFor } from '../fit/fitted.ts';
import type { Model } from '../model/load.ts';
import { beforePrompt } from './pass.ts';
import { type Prompt, promptIds } from './prompt.ts';
import { bytesOf, type RunBytes } from './run.ts';
import { logSumExp, mostLikely } from './sampler.ts';
import { createSequence, feedPrompt, feedToken } from './sequence.ts';

export interface CompareOptions {
  methods: readonly Method[];
  /** forced: every method is fed the full cache's tokens. */
  mode?: 'forced';
  /** Tokens that the full cache writes and all methods are judged on. */
  maxTokens?: number;
  /** Judge on these tokens instead of the full cache's own. */
  answer?: string | ArrayLike<number>;
  seed?: number;
  chunk?: number;
  signal?: AbortSignal;
  onStep?: (step: number, of: number) => void;
}
export interface Compared {
  method: string;
  setting: string;
  /** KL(full || method) in nats after each token. */
  kl: Float32Array;
  meanKl: number;
  /** 1 where both put the same token first. */
  top1: Uint8Array;
  agreement: number;
  /** -ln p of the reference tokens. */
  nll: Float32Array;
  perplexity: number;
  bytes: RunBytes;
  stepMs: number;
}
export interface Comparison {
  mode: 'forced';
  model: string;
  device: string;
  promptTokens: number;
  seed: number;
  /** The reference tokens, and what they say. */
  ids: Uint32Array;
  text: string;
  /** The full cache first, then the methods in the order given. */
  results: readonly Compared[];
}

export async function compare(
  model: Model,
  prompt: Prompt,
  options: CompareOptions,
  now: () => number,
): Promise<Comparison> {
  const { maxTokens = 64, seed = 0, chunk = 128, signal, mode = 'forced' } = options;
  if (mode !== 'forced')
    throw new Error(`compare: mode is ${JSON.stringify(mode)}; 'forced' is what this version knows`);
  if (options.methods.length === 0) throw new Error('compare: there are no methods; give at least one');
  const ids = promptIds(model, prompt);
  const forced =
    options.answer === undefined
      ? undefined
      : Array.from(typeof options.answer === 'string' ? model.tokenizer.encode(options.answer).ids : options.answer);
  const all = [methods.full(), ...options.methods];
  const fitted: Fitted[] = [];
  for (const method of all) fitted.push(await fittedFor(model, method, { signal }));
  const lanes = all.map((method, i) => ({
    method,
    sequence: createSequence(model, method, seed, fitted[i]),
    logits: new Float32Array(0) as Float32Array,
    kl: [] as number[],
    top1: [] as number[],
    nll: [] as number[],
    spent: 0,
  }));
  for (const lane of lanes) {
    const { ids: prompt, guests } = await beforePrompt(model, lane.method, ids, signal);
    lane.logits = await feedPrompt(lane.sequence, prompt, { chunk, guests, signal });
  }
  const full = lanes[0]!;
  const answer: number[] = [];
  const steps = forced?.length ?? maxTokens;
  for (let step = 0; step < steps; step++) {
    const sums = logSumExp(full.logits);
    const best = mostLikely(full.logits);
    const next = forced?.[step] ?? best;
    for (const lane of lanes) {
      const own = logSumExp(lane.logits);
      lane.kl.push(lane === full ? 0 : divergence(full.logits, sums, lane.logits, own));
      lane.top1.push(mostLikely(lane.logits) === best ? 1 : 0);
      lane.nll.push(own - lane.logits[next]!);
    }
    answer.push(next);
    options.onStep?.(step + 1, steps);
    if (!forced && model.tokenizer.ends.has(next)) break;
    if (step === steps - 1) break;
    for (const lane of lanes) {
      const start = now();
      lane.logits = await feedToken(lane.sequence, next, { signal });
      lane.spent += now() - start;
    }
  }
  return {
    mode,
    model: model.name,
    device: model.runtime.device,
    promptTokens: ids.length,
    seed,
    ids: Uint32Array.from(answer),
    text: model.tokenizer.decode(answer),
    results: lanes.map(({ method, sequence, kl, top1, nll, spent }) => ({
      method: method.name,
      setting: method.setting,
      kl: Float32Array.from(kl),
      meanKl: mean(kl),
      top1: Uint8Array.from(top1),
      agreement: mean(top1),
      nll: Float32Array.from(nll),
      perplexity: Math.exp(mean(nll)),
      bytes: bytesOf(sequence),
      stepMs: spent / Math.max(1, answer.length - 1),
    })),
  };
}

const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / Math.max(1, list.length);

/** KL(p || q) in nats of two rows of logits, given their `logSumExp`; never below 0 by rounding. */
function divergence(p: Float32Array, pSum: number, q: Float32Array, qSum: number): number {
  let kl = 0;
  for (let i = 0; i < p.length; i++) {
    const lnP = p[i]! - pSum;
    if (lnP > -40) kl += Math.exp(lnP) * (lnP - (q[i]! - qSum));
  }
  return Math.max(0, kl);
}
