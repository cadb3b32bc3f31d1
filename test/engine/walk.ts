/** A short, teacher-forced walk of a method over the fixture text: a prompt in chunks, then single tokens. */
import type { Fitted, Method } from '@kvlab/ops';
import { fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { beforePrompt } from '../../kernel/src/engine/run/pass.ts';
import { createSequence, type Sequence } from '../../kernel/src/engine/run/sequence.ts';
import type { StepObserver } from '../../kernel/src/engine/run/step-observer.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { tinyIds } from './tiny-model.ts';

export interface WalkOptions {
  prompt?: number;
  steps?: number;
  chunk?: number;
  seed?: number;
  /** What the method's fits gave; they run on the model where this is left out. */
  fitted?: Fitted;
  observer?: (sequence: Sequence) => StepObserver;
  /** Called after each chunk and each token, when the keep pass is done. */
  onStep?: (sequence: Sequence) => void;
}
export interface Walked {
  sequence: Sequence;
  /** Logits after the prompt and after each token. */
  logits: Float32Array[];
}

export const promptLength = 26;
/** A software WebGPU compiles shaders for every new shape, so walks on it are one chunk and few steps. */
const usual = { wasm: { chunk: 8, steps: 10 }, webgpu: { chunk: promptLength, steps: 2 } };
export const stepsOn = (model: Model): number => usual[model.runtime.device].steps;

export async function walk(model: Model, method: Method, options: WalkOptions = {}): Promise<Walked> {
  const { prompt = promptLength, chunk = usual[model.runtime.device].chunk, seed = 0, onStep = () => {} } = options;
  const sequence = createSequence(model, method, seed, options.fitted ?? (await fittedFor(model, method)));
  const observer = options.observer?.(sequence);
  const { ids, guests } = await beforePrompt(model, method, tinyIds.slice(0, prompt));
  const logits = [await feedPrompt(sequence, ids, { chunk, guests, observer, onChunk: () => onStep(sequence) })];
  return goOn({ sequence, logits }, options, observer);
}

/** Feeds the next tokens of the text. */
export async function goOn(
  { sequence, logits }: Walked,
  { steps = stepsOn(sequence.model), onStep = () => {} }: WalkOptions = {},
  observer?: StepObserver,
): Promise<Walked> {
  const out = [...logits];
  for (let i = 0; i < steps; i++) {
    out.push(await feedToken(sequence, tinyIds[sequence.ids.length]!, { observer }));
    onStep(sequence);
  }
  return { sequence, logits: out };
}

/** Largest difference of two lists of logits, relative to the largest logit. */
export function apart(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let most = 0;
  a.forEach((row, i) => {
    if (row.length !== b[i]!.length) most = Number.POSITIVE_INFINITY;
    row.forEach((value, at) => {
      largest = Math.max(largest, Math.abs(value));
      const difference = Math.abs(value - b[i]![at]!);
      if (!(difference <= most)) most = difference;
    });
  });
  return most / largest;
}

export const sameBits = (a: readonly Float32Array[], b: readonly Float32Array[]): boolean =>
  a.length === b.length &&
  a.every(
    (row, i) =>
      row.length > 0 &&
      Buffer.from(row.buffer, row.byteOffset, row.byteLength).equals(
        Buffer.from(b[i]!.buffer, b[i]!.byteOffset, b[i]!.byteLength),
      ),
  );
