/** A lane of a comparison: one method on its cache, fed beside the others. */
import type { ComparisonRecord } from '../record/comparison-record.ts';
import type { Recorder } from '../record/recorder.ts';
import type { Sequence } from './sequence.ts';
import type { StepObserver } from './step-observer.ts';
import { feedToken } from './steps.ts';

/** A method on its cache beside the others. */
export interface Lane {
  index: number;
  sequence: Sequence;
  logits: Float32Array;
  recorder: Recorder | undefined;
  /** False where the method's pass left out tokens of the prompt: its positions are then not those of the others. */
  wholePrompt: boolean;
  /** Time of steps in ms, that of the last first; what watching took is left out. */
  spentMs: number;
  lastMs: number;
}

/** Feeds one token to a lane and counts its time, its entries and what its recorder saw. */
export async function feedLane(
  lane: Lane,
  id: number,
  record: ComparisonRecord | undefined,
  { now, signal, logProb }: { now(): number; signal: AbortSignal | undefined; logProb: number },
): Promise<void> {
  const { sequence, recorder } = lane;
  let watching = 0;
  const observer: StepObserver | undefined = recorder && {
    event: recorder.event,
    written: recorder.written,
    async layer(view) {
      const start = now();
      await recorder.layer(view);
      watching += now() - start;
    },
  };
  const start = now();
  lane.logits = await feedToken(sequence, id, { signal, observer });
  lane.lastMs = now() - start - watching;
  lane.spentMs += lane.lastMs;
  recorder?.tokens([id], sequence.step, [logProb], []);
  recorder?.step(lane.lastMs);
  if (lane.wholePrompt) record?.holding(lane.index, sequence.step, sequence.layers);
}
