/** Sample texts that fits read: made on the spot from a seed, so that nothing is downloaded. */
import { type Fit, hashedUniform } from '@kvlab/ops';
import type { Model } from '../model/load.ts';
import { proseText } from './prose.ts';

export interface SampleText {
  ids: number[];
  /** Where the answer of a pass-key text begins. */
  answerFrom?: number;
}

export const people = ['Ines', 'Oskar', 'Mara', 'Tariq', 'Wen', 'Lotte', 'Piet', 'Amara', 'Jonas', 'Sofia'];
const doings = ['repaired', 'carried', 'counted', 'painted', 'sold', 'found', 'hid', 'measured', 'cleaned', 'borrowed'];
export const things = ['a lamp', 'three crates', 'the old rope', 'a blue kettle', 'two maps', 'the church bell', 'a basket of pears', 'an oar', 'the ledger', 'a broken clock']; // biome-ignore format: one line
const places = ['by the harbour', 'behind the mill', 'on the bridge', 'in the attic', 'near the well', 'at the market', 'under the stairs', 'beside the river', 'in the north field', 'at the ferry']; // biome-ignore format: one line

/** Sentences that do not repeat, about as many as asked for. */
export function filler(seed: number, sentences: number): string[] {
  const pick = (list: readonly string[], i: number, part: number) =>
    list[Math.floor(hashedUniform(seed, i, part, 0) * list.length)]!;
  return Array.from(
    { length: sentences },
    (_, i) =>
      `On day ${i + 1} ${pick(people, i, 0)} ${pick(doings, i, 1)} ${pick(things, i, 2)} ${pick(places, i, 3)}.`,
  );
}

/** One of the samples that a fit reads, at most as long as it says. */
export function sampleText(
  { tokenizer, config }: Model,
  { samples: kind, tokens, seed: from }: Pick<Fit, 'samples' | 'tokens' | 'seed'>,
  number: number,
): SampleText {
  const seed = 1000 * (from + 1) + number;
  if (kind === 'repeated random') {
    const period = Math.floor(tokens / 4);
    const ordinary = Array.from({ length: 4 * period }, (_, i) =>
      Math.floor(hashedUniform(seed, i, 0, 0) * config.vocabulary),
    ).filter((id) => !tokenizer.isSpecial(id));
    const one = ordinary.slice(0, period);
    return { ids: [...one, ...one, ...one, ...one] };
  }
  // Only the beginning of a text opens with the mark that some models expect there.
  const ids = (text: string, begin = true) => Array.from(tokenizer.encode(text, begin ? {} : { begin }).ids);
  if (kind === 'prose') return { ids: ids(proseText(from, number, 5 * tokens)).slice(0, tokens) };
  // Pass-keys are looked for over several distances: each sample is half as long as the one before, four lengths in all.
  const length = tokens >> (number % 4);
  const key = String(Math.floor(10000 + hashedUniform(seed, 0, 0, 1) * 89999));
  const hint = `The pass key is ${key}. Remember it: ${key} is the pass key.`;
  const question = ids('\nWhat is the pass key? The pass key is', false);
  const answer = ids(` ${key}.`, false);
  const lines = filler(seed, Math.ceil(length / 8));
  lines.splice(Math.floor(hashedUniform(seed, 0, 0, 2) * lines.length * 0.5) + 1, 0, hint);
  const body = ids(lines.join(' ')).slice(0, length - question.length - answer.length);
  return { ids: [...body, ...question, ...answer], answerFrom: body.length + question.length };
}
