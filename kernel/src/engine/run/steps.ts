/** The steps of a sequence: its prompt in chunks, then token by token, each with the keep passes that are due. */
import type { Bound, Method } from '@kvlab/ops';
import { allocateBudget } from '../keep/pass.ts';
import { forgetFrom, keepAndRunAgain } from './again.ts';
import { planChunks } from './chunks.ts';
import { dueLine, type Occasion } from './due.ts';
import { type FeedOptions, feed } from './feed.ts';
import { measuring } from './measure.ts';
import { checkContext, windowsOf } from './reach.ts';
import { beginStep, settleReads } from './reading.ts';
import type { Sequence } from './sequence.ts';

export interface PromptOptions extends Omit<FeedOptions, 'rows' | 'due' | 'tail'> {
  /** Tokens of a chunk. */
  chunk?: number;
  /** Tokens behind the prompt that scores may look at and that leave when it ends; the last prompt token is then fed again. */
  guests?: readonly number[];
  /** Gets the logits [n, V] of every row of a chunk and the index of its first token; without it only the last row is computed. */
  onRows?: (logits: Float32Array, first: number) => void;
  /** Called after each chunk with the tokens fed so far. */
  onChunk?: (fed: number) => void;
}

/** Feeds a prompt in chunks, with keep passes between and after. Logits [V] after its last token. */
export async function feedPrompt(
  sequence: Sequence,
  ids: readonly number[],
  { chunk = 128, guests = [], onRows, onChunk, ...options }: PromptOptions = {},
): Promise<Float32Array> {
  const { method } = sequence;
  if (ids.length === 0) throw new Error(`${method.name}: the prompt is empty; give at least one token`);
  if (sequence.promptLength === 0) {
    sequence.promptLength = ids.length;
    const { layers, kvHeads, headSize } = sequence.model.config;
    const allocate = (line: Method) => allocateBudget(line, layers, kvHeads, headSize, ids.length, sequence.fitted);
    sequence.allocated = allocate(method);
    sequence.allocatedLater = method.phases.map(allocate);
  }
  checkContext(sequence, ids.length, chunk);
  sequence.step++;
  beginStep(sequence);
  const windows = windowsOf(sequence);
  const closesUp = !method.declaration.attend.ruleOf('fresh').storesRotated;
  const room = windows && closesUp ? Math.max(1, windows.first + windows.last - sequence.ids.length) : undefined;
  const lastRows = Math.max(
    1,
    ...method.declaration.score.needs.map((n) =>
      n.of === 'attention' || n.of === 'products' ? (n.rows?.last ?? 1) : 1,
    ),
  );
  const all = [...ids, ...guests];
  const chunks = planChunks(all.length, chunk, lastRows, sequence.ids.length === 0 ? room : undefined);
  const V = sequence.model.config.vocabulary;
  const last = sequence.ids.length + ids.length - 1;
  let logits = new Float32Array(0);
  let fed = 0;
  for (const [i, length] of chunks.entries()) {
    const occasions: readonly Occasion[] = i === chunks.length - 1 ? ['chunk', 'prompt'] : ['chunk'];
    const due = dueLine(sequence, occasions) !== undefined;
    const rows = onRows ? 'all' : 'last';
    const some = all.slice(fed, fed + length);
    logits = (await feed(sequence, some, { ...options, rows, due, inPrompt: true })) as Float32Array<ArrayBuffer>;
    onRows?.(logits, fed);
    fed += length;
    if (guests.length && i === chunks.length - 1) forgetFrom(sequence, last);
    logits = (await keepAndRunAgain(sequence, occasions, options.observer)) ?? logits;
    await settleReads(sequence);
    onChunk?.(Math.min(fed, ids.length));
  }
  if (guests.length)
    logits = (await feed(sequence, ids.slice(-1), { ...options, rows: 'last' })) as Float32Array<ArrayBuffer>;
  return logits.subarray(logits.length - V);
}

/** Feeds tokens through the layers of the sequence only, keeping the last query that `score` looks at; no logits. */
export async function feedThrough(
  sequence: Sequence,
  ids: readonly number[],
  score: Bound,
  signal?: AbortSignal,
): Promise<void> {
  checkContext(sequence, ids.length);
  let fed = 0;
  for (const length of planChunks(ids.length, 128)) {
    await feed(sequence, ids.slice(fed, fed + length), { signal, rows: 'none', tail: score });
    fed += length;
  }
}

/** Feeds one token of the answer. Logits [V] of the next. */
export async function feedToken(sequence: Sequence, id: number, options: FeedOptions = {}): Promise<Float32Array> {
  checkContext(sequence, 1);
  sequence.step++;
  try {
    beginStep(sequence);
    const { observer, done } = measuring(sequence, options.observer);
    const logits = await feed(sequence, [id], { ...options, observer, due: dueLine(sequence, ['step']) !== undefined });
    await done(id);
    const again = await keepAndRunAgain(sequence, ['step'], options.observer);
    await settleReads(sequence);
    return again ?? logits;
  } catch (error) {
    sequence.step--;
    throw error;
  }
}
