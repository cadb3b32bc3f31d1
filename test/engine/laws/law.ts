/** A law that every method keeps: a number in the list of laws, a sentence, and a check that throws where it is broken. */
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import type { Setting } from '../settings.ts';

export interface Law {
  number: number;
  sentence: string;
  /** False for settings of which the law says nothing. */
  concerns?(setting: Setting): boolean;
  check(model: Model, setting: Setting): Promise<void>;
}

/** Relative to the largest logit. WebGPU is held to 1e-4 everywhere. */
export const within = (model: Model, wasm: number): number => (model.runtime.device === 'wasm' ? wasm : 1e-4);
