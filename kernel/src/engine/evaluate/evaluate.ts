/** Evaluation: methods at several budgets on tasks made from seeds, with the question seen or unseen by the method. */
import { methods as library, type Method } from '@kvlab/ops';
import { fittedFor } from '../fit/fitted.ts';
import type { Model } from '../model/load.ts';
import { bytesOf } from '../run/bytes.ts';
import { beforePrompt } from '../run/pass.ts';
import { divergence, logSumExp, mostLikely } from '../run/sampler.ts';
import { createSequence } from '../run/sequence.ts';
import { feedPrompt, feedToken } from '../run/steps.ts';
import { type Task, type TaskName, taskNames, taskOf } from './tasks.ts';

/** A method that takes a budget: `methods.snapKV`, or a function of your own that passes `keep` on. */
export type Budgeted = (options: { keep: number }) => Method;

export interface EvaluateOptions {
  /** Functions are called with each `keep`; methods are measured as they are. */
  methods: readonly (Budgeted | Method)[];
  /** Shares of the context that may stay. */
  keep?: readonly number[];
  task?: TaskName;
  /** Tasks are made from these, or from 0 up to a number of them. */
  seeds?: number | readonly number[];
  /** Length of the context in tokens. */
  tokens?: number;
  /** seen: the question is part of what is read before the method chooses. unseen: it comes after, token by token. */
  question?: 'seen' | 'unseen' | 'both';
  chunk?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, of: number) => void;
  /** Called while something is calibrated, before the first answer, with its name and the share that is done. */
  onFit?: (fit: string, share: number) => void;
}

/** One method at one budget, means over the seeds. */
export interface EvaluatedRow {
  method: string;
  setting: string;
  /** Share that it was asked to keep; NaN for a method that was measured as it is. */
  keep: number;
  question: 'seen' | 'unseen' | 'none';
  seeds: number;
  /** Share of seeds whose whole answer is the model's own first choice, token by token. */
  accuracy: number;
  /** Share of the answers' tokens that are the model's first choice. */
  tokensRight: number;
  /** exp of the mean -ln p of the answer's tokens. */
  perplexity: number;
  /** Mean KL(full || method) in nats over the answer's tokens. */
  kl: number;
  /** Bytes held after the answer, and their share of the full cache's. */
  bytesHeld: number;
  ofFull: number;
}
export interface Evaluation {
  task: TaskName;
  model: string;
  device: string;
  /** Mean length of the contexts in tokens. */
  contextTokens: number;
  seeds: readonly number[];
  rows: readonly EvaluatedRow[];
}

interface Answered {
  right: boolean[];
  nll: number[];
  kl: number[];
  held: number;
}
type Question = EvaluatedRow['question'];

export async function evaluate(model: Model, options: EvaluateOptions): Promise<Evaluation> {
  const { task = 'passkey', tokens = 512, signal, chunk = 128 } = options;
  const seeds = seedsOf(options);
  const settings = settingsOf(options);
  const questions: Question[] =
    task === 'text'
      ? ['none']
      : (options.question ?? 'both') === 'both'
        ? ['seen', 'unseen']
        : [options.question as Question];
  const answers = settings.map(() => questions.map(() => [] as Answered[]));
  const of = seeds.length * settings.length * questions.length;
  let done = 0;
  let contextTokens = 0;
  for (const { method } of settings) await fittedFor(model, method, { signal, onProgress: options.onFit });
  for (const seed of seeds) {
    const made = taskOf(model, task, seed, tokens);
    contextTokens += made.context.length / seeds.length;
    for (const [q, question] of questions.entries()) {
      // Rows of the full cache for the few tokens of one answer; they are let go with it.
      const reference: Float32Array[] = [];
      for (const [s, { method }] of settings.entries()) {
        answers[s]![q]!.push(await answer(model, method, made, question, reference, { seed, chunk, signal }));
        options.onProgress?.(++done, of);
      }
    }
  }
  const rows = settings.flatMap(({ method, keep }, s) =>
    questions.map((question, q): EvaluatedRow => {
      const own = answers[s]![q]!;
      const held = mean(own.map((a) => a.held));
      return {
        method: method.name,
        setting: method.setting,
        keep,
        question,
        seeds: seeds.length,
        accuracy: mean(own.map(({ right }) => (right.every(Boolean) ? 1 : 0))),
        tokensRight: mean(own.flatMap(({ right }) => right.map(Number))),
        perplexity: Math.exp(mean(own.flatMap(({ nll }) => nll))),
        kl: mean(own.flatMap(({ kl }) => kl)),
        bytesHeld: held,
        ofFull: held / mean(answers[0]![q]!.map((a) => a.held)),
      };
    }),
  );
  return { task, model: model.name, device: model.runtime.device, contextTokens, seeds, rows };
}

function seedsOf({ seeds = 3, task = 'passkey', tokens = 512, question = 'both' }: EvaluateOptions): number[] {
  if (!taskNames.includes(task))
    throw new Error(`evaluate: task is ${JSON.stringify(task)}; give one of ${taskNames.join(', ')}`);
  if (!['seen', 'unseen', 'both'].includes(question))
    throw new Error(`evaluate: question is ${JSON.stringify(question)}; give 'seen', 'unseen' or 'both'`);
  if (!Number.isInteger(tokens) || tokens < 32)
    throw new RangeError(`evaluate: tokens is ${tokens}; give a whole number from 32`);
  const list = typeof seeds === 'number' ? Array.from({ length: Math.max(0, seeds) }, (_, i) => i) : [...seeds];
  if (list.length === 0 || !list.every((seed) => Number.isInteger(seed) && seed >= 0))
    throw new RangeError(`evaluate: seeds is ${JSON.stringify(seeds)}; give a count from 1 or a list of whole numbers`);
  return list;
}

/** The full cache first, then each method at each budget. */
function settingsOf({ methods, keep = [0.5, 0.2, 0.1] }: EvaluateOptions): { method: Method; keep: number }[] {
  if (methods.length === 0) throw new Error('evaluate: there are no methods; give at least one');
  for (const share of keep)
    if (!(share > 0 && share <= 1)) throw new RangeError(`evaluate: keep has ${share}; give shares above 0 up to 1`);
  const given = methods.flatMap((one) => {
    if (typeof one !== 'function') return [{ method: one, keep: Number.NaN }];
    if (keep.length === 0)
      throw new Error('evaluate: keep is empty; give at least one share, or methods that are called');
    return keep.map((share) => {
      try {
        return { method: one({ keep: share }), keep: share };
      } catch (error) {
        throw new Error(
          `evaluate: ${(error as Error).message}; a method without a budget is given as it is to be measured, as methods.kivi({ bits: 2 })`,
        );
      }
    });
  });
  return [{ method: library.full(), keep: Number.NaN }, ...given];
}

/** Reads a task with a method and feeds it the right answer; the first method is the full cache, which fills `reference`. */
async function answer(
  model: Model,
  method: Method,
  { context, question, answer }: Task,
  asked: Question,
  reference: Float32Array[],
  { seed, chunk, signal }: { seed: number; chunk: number; signal: AbortSignal | undefined },
): Promise<Answered> {
  const sequence = createSequence(model, method, seed, await fittedFor(model, method, { signal }));
  const prompt = asked === 'unseen' ? context : [...context, ...question];
  const { ids, guests } = await beforePrompt(model, method, prompt, signal);
  let logits = await feedPrompt(sequence, ids, { chunk, guests, signal });
  for (const id of asked === 'unseen' ? question : []) logits = await feedToken(sequence, id, { signal });
  const full = reference.length < answer.length;
  const got: Answered = { right: [], nll: [], kl: [], held: 0 };
  for (const [i, id] of answer.entries()) {
    const sum = logSumExp(logits);
    got.right.push(mostLikely(logits) === id);
    got.nll.push(sum - logits[id]!);
    if (full) reference.push(logits.slice());
    const own = reference[i]!;
    got.kl.push(full ? 0 : divergence(own, logSumExp(own), logits, sum));
    if (i < answer.length - 1) logits = await feedToken(sequence, id, { signal });
  }
  got.held = bytesOf(sequence).held.total;
  return got;
}

const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;

const fields = [
  'method',
  'setting',
  'keep',
  'question',
  'seeds',
  'accuracy',
  'tokensRight',
  'perplexity',
  'kl',
  'bytesHeld',
  'ofFull',
] as const;
const columnOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The rows as columns in snake case, for a table. */
export function evaluationColumns({ rows }: Evaluation): Record<string, (string | number)[]> {
  return Object.fromEntries(fields.map((field) => [columnOf(field), rows.map((row) => row[field])]));
}

/** The rows as comma-separated values, with what they were measured on in the first lines. */
export function evaluationCsv(evaluation: Evaluation): string {
  const { task, model, device, contextTokens, seeds, rows } = evaluation;
  const cell = (value: string | number): string =>
    typeof value === 'number'
      ? Number.isFinite(value)
        ? String(value)
        : ''
      : /[",\n]/.test(value)
        ? `"${value.replaceAll('"', '""')}"`
        : value;
  const about = `# task ${task}, ${Math.round(contextTokens)} tokens of context, ${model} on ${device}, seeds ${seeds.join(' ')}`;
  const lines = rows.map((row) => fields.map((field) => cell(row[field])).join());
  return `${[about, fields.map(columnOf).join(), ...lines].join('\n')}\n`;
}
