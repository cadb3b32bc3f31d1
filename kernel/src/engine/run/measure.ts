/** Measures: operators that look on while a token of the answer is fed, and change nothing. */
import { type Bound, isContentWord } from '@kvlab/ops';
import { wholeRows } from '../record/attention-record.ts';
import type { Sequence } from './sequence.ts';
import type { StepObserver } from './step-observer.ts';

export interface Measuring {
  /** Sees the layers of the token. */
  observer: StepObserver | undefined;
  /** Writes down what the measures say of it. */
  done(id: number): Promise<void>;
}

/** Lets the measures of the method look on beside an observer. */
export function measuring(sequence: Sequence, observer: StepObserver | undefined): Measuring {
  const { watch = [] } = sequence.method.declaration;
  if (watch.length === 0) return { observer, done: async () => {} };
  const rows: Float32Array[] = [];
  const { layers, queryHeads } = sequence.model.config;
  return {
    observer: {
      ...observer,
      event: (event) => observer?.event(event),
      written: (written) => observer?.written(written),
      async layer(view) {
        for (let h = 0; h < queryHeads; h++) rows[view.layer * queryHeads + h] = wholeRows(view, h)[0]!;
        await observer?.layer(view);
      },
    },
    async done(id) {
      const T = rows[0]!.length;
      const attention = { dims: [layers, queryHeads, T], data: Float32Array.from(rows.flatMap((row) => [...row])) };
      for (const measure of watch) await note(sequence, measure, id, attention);
    },
  };
}

/** Retrievals after which none follows, and the trigger that counts as one. */
const mostRetrievals = 8;
const triggers = 0.5;

async function note(
  sequence: Sequence,
  measure: Bound,
  id: number,
  attention: { dims: number[]; data: Float32Array },
): Promise<void> {
  const { tokenMeasures, model, nll } = sequence;
  const before = tokenMeasures.get(measure.operator.name) ?? [];
  const text = model.tokenizer.decode([id]);
  const inputs = {
    attention,
    chance: [Math.exp(-nll.at(-1)!)],
    content: [isContentWord(text) ? 1 : 0],
    used: [Math.min(1, before.filter((v) => v > triggers).length / mostRetrievals)],
  };
  const [result] = Object.values(await sequence.operate(measure, inputs));
  tokenMeasures.set(measure.operator.name, [...before, Number(result!.data[0])]);
}
