/** Amounts that change while a run goes on: from the next step on the keep line holds to them. */
import type { Method, NamedOptions } from '@kvlab/ops';
import { allocateBudget } from '../keep/pass.ts';
import type { Recorder } from '../record/recorder.ts';
import type { Sequence } from './sequence.ts';

/** Options of the method that hold from a step on; step 0 is the prompt, so the first that can change is 1. */
export interface Change {
  step: number;
  options: NamedOptions;
}

/** Refuses changes that the method does not allow, before anything runs. */
export function checkChanges(method: Method, changes: readonly Change[]): void {
  let before = 1;
  for (const { step } of changes) {
    if (!Number.isInteger(step) || step < before)
      throw new RangeError(`changes: step is ${step} after ${before}; give whole numbers from 1 in their order`);
    before = step;
  }
  changes.reduce<Method>((now, { options }) => now.change(options), method);
}

/** Gives the sequence other amounts from its next step on, or throws and leaves it as it was. */
export function changeSequence(sequence: Sequence, options: NamedOptions): void {
  const { model, promptLength, fitted } = sequence;
  const { layers, kvHeads, headSize } = model.config;
  const method = sequence.method.change(options);
  const allocate = (line: Method) => allocateBudget(line, layers, kvHeads, headSize, promptLength, fitted);
  const allocated = allocate(method);
  const allocatedLater = method.phases.map(allocate);
  Object.assign(sequence, { method, allocated, allocatedLater, amountsChanged: true });
}

/** Changes a run and notes it; what is refused is noted too, and thrown. */
export function changeRun(sequence: Sequence, recorder: Recorder | undefined, options: NamedOptions): void {
  const step = sequence.step + 1;
  try {
    changeSequence(sequence, options);
  } catch (error) {
    recorder?.change({ step, options, refused: (error as Error).message });
    throw error;
  }
  recorder?.change({ step, options });
}
