/** Chooses the next token from logits: greedy, or drawn from a shaped distribution with a seed. */

export interface Sampling {
  /** Above 1 flattens, below 1 sharpens; 0 is greedy. */
  temperature?: number;
  /** Only the k most likely tokens. */
  topK?: number;
  /** Only the smallest set of tokens with this much probability. */
  topP?: number;
  /** Only tokens at least this share as likely as the most likely one. */
  minP?: number;
  /** Logits of tokens already seen are divided (or multiplied, where negative) by this. */
  repetitionPenalty?: number;
}
export type Sampler = 'greedy' | Sampling;

/** A reproducible stream of numbers in [0, 1): the generator known as mulberry32. */
export function randomStream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function checkSampler(sampler: Sampler): void {
  if (sampler === 'greedy') return;
  if (typeof sampler !== 'object' || sampler === null)
    throw new TypeError(
      `sampler: it is ${JSON.stringify(sampler)}; give 'greedy' or { temperature, topK, topP, minP, repetitionPenalty }`,
    );
  const ranges: Record<keyof Sampling, [number, number]> = {
    temperature: [0, 100],
    topK: [1, Number.POSITIVE_INFINITY],
    topP: [0, 1],
    minP: [0, 1],
    repetitionPenalty: [0.01, 100],
  };
  for (const [name, value] of Object.entries(sampler)) {
    const range = ranges[name as keyof Sampling];
    if (!range) throw new TypeError(`sampler: there is no ${name}; there is ${Object.keys(ranges).join(', ')}`);
    if (typeof value !== 'number' || !(value >= range[0] && value <= range[1]))
      throw new RangeError(`sampler: ${name} is ${value}; give ${range[0]} to ${range[1]}`);
  }
}

/** The most likely token; the lowest id of equals. */
export function mostLikely(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** Draws a token. `seen` are the ids so far, for the repetition penalty. */
export function sample(logits: Float32Array, sampler: Sampler, random: () => number, seen: readonly number[]): number {
  if (sampler === 'greedy') return mostLikely(logits);
  const { temperature = 1, topK = logits.length, topP = 1, minP = 0, repetitionPenalty = 1 } = sampler;
  const shaped = repetitionPenalty === 1 ? logits : penalized(logits, seen, repetitionPenalty);
  if (temperature === 0) return mostLikely(shaped);
  const top = shaped[mostLikely(shaped)]!;
  const floor = Math.max(minP, 1e-12);
  let candidates: { id: number; weight: number }[] = [];
  for (let id = 0; id < shaped.length; id++) {
    const weight = Math.exp((shaped[id]! - top) / temperature);
    if (weight >= floor) candidates.push({ id, weight });
  }
  candidates.sort((a, b) => b.weight - a.weight || a.id - b.id);
  candidates = candidates.slice(0, topK);
  const total = candidates.reduce((sum, c) => sum + c.weight, 0);
  let kept = 0;
  let mass = 0;
  while (kept < candidates.length && (kept === 0 || mass < topP * total)) mass += candidates[kept++]!.weight;
  let at = random() * mass;
  for (const { id, weight } of candidates.slice(0, kept)) if ((at -= weight) < 0) return id;
  return candidates[0]!.id;
}

function penalized(logits: Float32Array, seen: readonly number[], penalty: number): Float32Array {
  const out = logits.slice();
  for (const id of new Set(seen)) out[id] = out[id]! > 0 ? out[id]! / penalty : out[id]! * penalty;
  return out;
}

/** ln of the sum of exponentials of a row of logits. */
export function logSumExp(logits: Float32Array): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > top) top = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - top);
  return top + Math.log(sum);
}

/** Entropy in nats, given the row's `logSumExp`. */
export function entropyOf(logits: Float32Array, logSum: number): number {
  let mean = 0;
  for (let i = 0; i < logits.length; i++) {
    const p = Math.exp(logits[i]! - logSum);
    mean += p * logits[i]!;
  }
  return logSum - mean;
}

/** KL(p || q) in nats of two rows of logits, given their `logSumExp`; never below 0 by rounding. */
export function divergence(p: Float32Array, pSum: number, q: Float32Array, qSum: number): number {
  let kl = 0;
  for (let i = 0; i < p.length; i++) {
    const lnP = p[i]! - pSum;
    if (lnP > -40) kl += Math.exp(lnP) * (lnP - (q[i]! - qSum));
  }
  return Math.max(0, kl);
}
