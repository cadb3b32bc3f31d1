/** What is calibrated on the user's machine: head classes, gates, bases. Runs once for a model and its settings, then cached. */
import type { Need } from '../need.ts';
import type { Specs } from '../operator.ts';
import type { Tensor } from '../tensor.ts';

/** What a sample text is made of. */
export type Sample = 'prose' | 'passkey' | 'repeated random';
/** Tensors of one layer over one sample, as `needs` asked for them: attention [Hq, Q, T], hidden [Q, X], … All of its tokens are
 *  queries, but in a pass-key text those of the answer alone, which look for the key. */
export interface Capture {
  sample: number;
  layer: number;
  tensors: Readonly<Record<string, Tensor>>;
  kvHeads: number;
}
export interface Fit {
  readonly name: string;
  readonly samples: Sample;
  /** Samples, and tokens of each; pass-key texts come in several lengths, this and its halves. */
  readonly count: number;
  readonly tokens: number;
  /** Seed of the sample texts; a part of the name, like every other setting. */
  readonly seed: number;
  readonly needs: readonly Need[];
  readonly gives: Specs;
  /** A calibration that has seen nothing yet. */
  start(): Fitting;
}
export interface Fitting {
  /** Takes in what was captured, samples in order and the layers of each in order. */
  see(capture: Capture): void;
  /** What was found. `pause` is called now and then with the share that is done; who gave it may rest, or throw to stop. */
  give(pause: (share: number) => Promise<void>): Promise<Record<string, Tensor>>;
}
/** Results by `fit.name/tensor`. */
export type Fitted = ReadonlyMap<string, Tensor>;

/** A tensor that a fit gave. Throws where the fit has not run. */
export function fittedTensor(owner: string, fitted: Fitted | undefined, fit: Fit, name: string): Tensor {
  const found = fitted?.get(`${fit.name}/${name}`);
  if (!found) throw new Error(`${owner}: ${fit.name} has not been fitted; run lab.fit(model, method) first`);
  return found;
}
