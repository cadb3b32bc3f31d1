/** Runs what a method has to calibrate on this model, once: sample texts go through the full cache and operators look on. */
import { type Bound, type Capture, type Fit, type Fitted, type Method, methods, type Tensor, tensor } from '@kvlab/ops';
import type { Model } from '../model/load.ts';
import { createSequence, feedPrompt, type StepObserver } from '../run/sequence.ts';
import { sampleText } from './samples.ts';

export interface FitOptions {
  signal?: AbortSignal;
  /** Called with the name of the fit and the share that is done. */
  onProgress?: (fit: string, share: number) => void;
}

const known = new WeakMap<Model, Map<string, Tensor>>();

/** Every fit that a method's slots declare. */
export function fitsOf({ declaration }: Method): readonly Fit[] {
  const { score, allocate, select, compensate, place, fetch } = declaration;
  const bounds: Bound[] = [score, allocate, select, compensate, place, fetch];
  const found = bounds.flatMap((bound) => bound.fits ?? []);
  return found.filter((fit, i) => found.findIndex((other) => other.name === fit.name) === i);
}

/** What the fits of a method give on this model; those that ran before are not run again. */
export async function fittedFor(model: Model, method: Method, options: FitOptions = {}): Promise<Fitted> {
  const results = known.get(model) ?? new Map<string, Tensor>();
  known.set(model, results);
  for (const fit of fitsOf(method)) {
    if (Object.keys(fit.gives).every((name) => results.has(`${fit.name}/${name}`))) continue;
    const given = await fit.compute(captures(model, fit, options));
    for (const [name, value] of Object.entries(given)) results.set(`${fit.name}/${name}`, value);
  }
  return results;
}

/** What the fit asked for of each layer and sample, in order; one layer is in memory at a time. */
async function* captures(model: Model, fit: Fit, { signal, onProgress }: FitOptions): AsyncGenerator<Capture> {
  const wanted = fit.needs.map((n) => n.of);
  const other = wanted.find((of) => of !== 'attention');
  if (other)
    throw new Error(`fit ${fit.name}: it asks for ${other}; attention is what samples are recorded for so far`);
  const { layers, queryHeads, kvHeads } = model.config;
  for (let sample = 0; sample < fit.count; sample++) {
    const text = sampleText(model, fit.samples, sample, fit.tokens);
    const T = text.ids.length;
    const rendezvous = handOver<Capture>();
    const observer: StepObserver = {
      event: () => {},
      written: () => {},
      layer: ({ layer, attention }) => {
        onProgress?.(fit.name, (sample * layers + layer) / (fit.count * layers));
        const whole = tensor([queryHeads, T, T], attention[0]!);
        return rendezvous.give({ sample, layer, kvHeads, tensors: { attention: whole }, answerFrom: text.answerFrom });
      },
    };
    const run = feedPrompt(createSequence(model, methods.full()), text.ids, { chunk: T, signal, observer }).then(
      () => rendezvous.end(),
      (error) => rendezvous.end(error),
    );
    yield* rendezvous.taken();
    await run;
  }
  onProgress?.(fit.name, 1);
}

/** Passes items from a producer to a consumer one at a time: `give` resolves when the item was consumed. */
function handOver<T>() {
  let item: { value: T; done: () => void } | undefined;
  let ended: { error?: unknown } | undefined;
  let wake = (): void => {};
  return {
    give: (value: T): Promise<void> =>
      new Promise((done) => {
        item = { value, done };
        wake();
      }),
    end(error?: unknown): void {
      ended = { error };
      wake();
    },
    async *taken(): AsyncGenerator<T> {
      for (;;) {
        if (item) {
          const { value, done } = item;
          item = undefined;
          yield value;
          done();
        } else if (ended) {
          if (ended.error) throw ended.error;
          return;
        } else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
}
