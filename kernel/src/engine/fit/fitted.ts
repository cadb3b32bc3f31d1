/** Runs what a method has to calibrate on this model, once: sample texts go through the full cache and operators look on. */
import { type Bound, type Capture, type Fit, type Fitted, type Method, methods, type Tensor, tensor } from '@kvlab/ops';
import type { Model } from '../model/load.ts';
import { wholeRows } from '../record/attention-record.ts';
import { createSequence } from '../run/sequence.ts';
import type { LayerView, StepObserver } from '../run/step-observer.ts';
import { feedPrompt } from '../run/steps.ts';
import { sampleText } from './samples.ts';
import { putUp, takeDown } from './shelved.ts';

export interface FitOptions {
  signal?: AbortSignal;
  /** Called with the name of the fit and the share that is done. */
  onProgress?: (fit: string, share: number) => void;
}

const known = new WeakMap<Model, Map<string, Tensor>>();

/** Every fit that a method's slots declare. */
export function fitsOf({ declaration, zones, encodingOf, placeOf, fetchOf }: Method): readonly Fit[] {
  const { score, allocate, select, compensate, attend } = declaration;
  const reading = zones.flatMap((zone) => [
    encodingOf(zone, 'keys'),
    encodingOf(zone, 'values'),
    placeOf(zone),
    fetchOf(zone),
  ]);
  const bounds: Bound[] = [score, allocate, select, compensate, ...reading, attend];
  const found = bounds.flatMap((bound) => bound.fits ?? []);
  return found.filter((fit, i) => found.findIndex((other) => other.name === fit.name) === i);
}

/** What the fits of a method give on this model. Those that ran before, in this process or another, are not run again. */
export async function fittedFor(model: Model, method: Method, options: FitOptions = {}): Promise<Fitted> {
  const results = known.get(model) ?? new Map<string, Tensor>();
  known.set(model, results);
  for (const fit of fitsOf(method)) {
    if (Object.keys(fit.gives).every((name) => results.has(`${fit.name}/${name}`))) continue;
    const given = (await takeDown(model, fit)) ?? (await run(model, fit, options));
    for (const [name, value] of Object.entries(given)) results.set(`${fit.name}/${name}`, value);
  }
  return results;
}

/** Share of the time that reading the samples takes, before results are computed from them. */
const reading = 0.9;

async function run(model: Model, fit: Fit, { signal, onProgress }: FitOptions): Promise<Record<string, Tensor>> {
  const { layers } = model.config;
  const wanted = new Set(fit.needs.map(({ of }) => of));
  const other = [...wanted].find((of) => !(of in readers));
  if (other) throw new Error(`fit ${fit.name}: it asks for ${other}; samples give ${Object.keys(readers).join(', ')}`);
  if (!(fit.count >= 1))
    throw new RangeError(`fit ${fit.name}: it reads ${fit.count} samples; give at least one to learn from`);
  const fitting = fit.start();
  for (let sample = 0; sample < fit.count; sample++) {
    const text = sampleText(model, fit, sample);
    const observer: StepObserver = {
      wants: { hidden: wanted.has('hidden'), products: wanted.has('products') },
      event: () => {},
      written: () => {},
      layer(view) {
        const tensors = Object.fromEntries([...wanted].map((of) => [of, readers[of as Captured](view, model)]));
        fitting.see({ sample, layer: view.layer, kvHeads: model.config.kvHeads, tensors });
        onProgress?.(fit.name, (reading * (sample * layers + view.layer + 1)) / (fit.count * layers));
      },
    };
    const sequence = createSequence(model, methods.full());
    // Only the last chunk is looked at: the answer to a pass-key, else the whole text.
    const [before, seen] = [text.ids.slice(0, text.answerFrom ?? 0), text.ids.slice(text.answerFrom ?? 0)];
    if (before.length) await feedPrompt(sequence, before, { signal });
    await feedPrompt(sequence, seen, { chunk: seen.length, signal, observer });
  }
  const results = await fitting.give(async (share) => {
    onProgress?.(fit.name, reading + (1 - reading) * share);
    await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
  });
  await putUp(model, fit, results);
  onProgress?.(fit.name, 1);
  return results;
}

type Captured = 'attention' | 'products' | 'hidden' | 'queries' | 'keys' | 'values';

/** What a capture is made of, from a layer that has read the last chunk of a sample. */
const readers: Record<Captured, (view: LayerView, model: Model) => Capture['tensors'][string]> = {
  attention: (view, { config }) => rowsByPosition(view, view.attention, config.queryHeads),
  products: (view, { config }) => rowsByPosition(view, view.products!, config.queryHeads),
  hidden: ({ hidden, position }, { config }) => tensor([position.length, config.hidden], hidden),
  // The model's queries carry 1/sqrt(D); papers and operators speak of them without.
  queries: ({ queries, position }, { config: { queryHeads, headSize } }) =>
    tensor(
      [queryHeads, position.length, headSize],
      queries.map((v) => v * Math.sqrt(headSize)),
    ),
  keys: ({ keys, position }, { config }) => tensor([config.kvHeads, position.length, config.headSize], keys),
  values: ({ values, position }, { config }) => tensor([config.kvHeads, position.length, config.headSize], values),
};

/** Rows of attention or of its logits [Hq, Q, T], by position. */
function rowsByPosition(view: LayerView, blocks: Float32Array[], queryHeads: number): Tensor {
  const [Q, T] = [view.position.length, view.position.at(-1)! + 1];
  if (Q === T) return tensor([queryHeads, T, T], blocks[0]!);
  const rows = tensor([queryHeads, Q, T]);
  for (let h = 0; h < queryHeads; h++)
    for (const [q, row] of wholeRows({ ...view, attention: blocks }, h).entries()) rows.data.set(row, (h * Q + q) * T);
  return rows;
}
