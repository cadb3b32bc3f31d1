/** Tasks of an evaluation: texts made from a seed, of lines that do not repeat, with an answer that needs what stands far back. */
import { hashedUniform } from '@kvlab/ops';
import { filler, people, things } from '../fit/samples.ts';
import type { Model } from '../model/load.ts';

export const taskNames = ['passkey', 'text'] as const;
export type TaskName = (typeof taskNames)[number];

/** What a method reads, what it is asked, and what it should say. */
export interface Task {
  context: number[];
  /** Tokens of the question; empty where there is none. */
  question: number[];
  answer: number[];
}

/** A task of about `tokens` tokens of context. */
export function taskOf(model: Model, name: TaskName, seed: number, tokens: number): Task {
  const ids = (text: string, begin = false) => Array.from(model.tokenizer.encode(text, begin ? {} : { begin }).ids);
  return name === 'passkey' ? passkey(ids, seed, tokens) : recall(ids, seed, tokens);
}

/** Ids of a text; with `begin` they open with the mark that the model expects there. */
type Ids = (text: string, begin?: boolean) => number[];

/** A log of days with a pass key in one of its lines, which the question asks for. */
function passkey(ids: Ids, seed: number, tokens: number): Task {
  const key = String(Math.floor(10_000 + hashedUniform(seed, 0, 0, 11) * 89_999));
  const hint = `The pass key is ${key}. Remember it: ${key} is the pass key.`;
  const question = ids('\nWhat is the pass key? The pass key is');
  const lines = fitting(ids, seed, tokens - ids(` ${hint}`).length);
  lines.splice(Math.floor(hashedUniform(seed, 0, 0, 12) * (lines.length + 1)), 0, hint);
  return { context: ids(lines.join(' '), true), question, answer: ids(` ${key}`) };
}

/** A log of days that says early on who owns what, and says it again at its end: the answer are those last lines. */
function recall(ids: Ids, seed: number, tokens: number): Task {
  const start = Math.floor(hashedUniform(seed, 0, 0, 13) * things.length);
  const owners = people.slice(0, 6).map((name, i) => `${name} owns ${things[(start + i) % things.length]}`);
  const last = `To sum up: ${owners.join('; ')}.`;
  const lines = fitting(ids, seed, tokens - ids(` ${owners.join('. ')}.`).length);
  owners.forEach((owner, i) => {
    const at = Math.floor(((i + hashedUniform(seed, i, 0, 14)) / owners.length) * lines.length);
    lines.splice(at, 0, `${owner}.`);
  });
  return { context: ids(lines.join(' '), true), question: [], answer: ids(` ${last}`) };
}

/** As many lines of filler as fit into a number of tokens. */
function fitting(ids: Ids, seed: number, tokens: number): string[] {
  const lines = filler(seed, Math.ceil(tokens / 6));
  let used = 0;
  let count = 0;
  while (count < lines.length && used + ids(` ${lines[count]}`).length <= tokens)
    used += ids(` ${lines[count++]}`).length;
  return lines.slice(0, Math.max(1, count));
}
