/** New tokens go through all layers: the only place where a cache grows.
 *
 *  All or nothing: layers compute first and the cache changes after the last, so an interrupted step leaves everything as it
 *  was. */
import type { Bound } from '@kvlab/ops';
import { attendFeeds } from '../attend/feeds.ts';
import { formOf, readsHidden } from '../attend/form.ts';
import { rotateRow } from '../attend/rotary.ts';
import { attendSessions } from '../attend/sessions.ts';
import { addMeasures } from '../attend/taken.ts';
import { heldBytes } from '../cache/ledger.ts';
import { seePeaks } from '../cache/registers.ts';
import { judge, judgesBefore } from '../keep/gate.ts';
import { recalledRows } from '../keep/recall.ts';
import { splicedScores } from '../keep/spliced.ts';
import { commit, surprise } from './commit.ts';
import { windowsOf } from './reach.ts';
import { beginReads, readOf } from './reading.ts';
import type { Sequence } from './sequence.ts';
import type { StepObserver } from './step-observer.ts';
import { joinTail } from './tail.ts';

export interface FeedOptions {
  signal?: AbortSignal;
  observer?: StepObserver;
  /** Logits of all new rows, or of the last only. */
  rows?: 'all' | 'last' | 'none';
  /** A score whose queries are kept, instead of the method's own. */
  tail?: Bound;
  /** A keep pass follows: scores without a memory of their own run now. */
  due?: boolean;
  /** The tokens belong to a prompt. */
  inPrompt?: boolean;
}

const utf8 = new TextDecoder();

const eventLoop = (): Promise<void> =>
  new Promise((resolve) => (typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve, 0)));

/** Frees memory at once: rows of a long prompt would wait for the collector while the next layer makes as many again. */
function letGo({ buffer }: Float32Array): void {
  (buffer as ArrayBuffer & { transfer?(bytes: number): ArrayBuffer }).transfer?.(0);
}

/** Runs new tokens through all layers and then adds them to the cache. Logits [1, V] or [Q, V]. */
export async function feed(
  sequence: Sequence,
  ids: readonly number[],
  { signal, observer, rows = 'last', due = false, inPrompt = false, tail }: FeedOptions,
): Promise<Float32Array> {
  const { model, layers } = sequence;
  const { group } = model.config;
  const Q = ids.length;
  const position = Int32Array.from({ length: Q }, (_, q) => sequence.ids.length + q);
  const sessions = attendSessions(model.runtime);
  const windows = windowsOf(sequence);
  const recalled = recalledRows(sequence.method);
  const scores = splicedScores(sequence.method, due && (inPrompt || !recalled));
  const judged = judgesBefore(sequence.method);
  const { hidden = judged, products = false } = observer?.wants ?? {};
  const commits: (() => void)[] = [];
  const { score, watch = [] } = sequence.method.declaration;
  const needs = [tail ?? score, ...watch].flatMap((bound) => bound.needs);
  const tailRows = Math.max(recalled, ...needs.map((n) => (n.of === 'queries' ? (n.rows?.last ?? 1) : 0)));
  const wantsLogits = needs.some((n) => n.of === 'logits');
  const moment = {
    step: sequence.step,
    seen: sequence.ids.length,
    promptLength: sequence.promptLength,
    seed: sequence.seed,
  };
  beginReads(sequence, position);
  let x = model.embed(Int32Array.from(ids));
  let output: Float32Array | undefined;
  for (const [l, layer] of layers.entries()) {
    await eventLoop();
    signal?.throwIfAborted();
    const projected = await model.project(l, x, output, Q, { hidden: hidden || judged || scores.some(readsHidden) });
    const gate = judged
      ? await judge(sequence.method, layer, l, projected, position, model.config, sequence)
      : undefined;
    const { queries, keys, values } = projected;
    const read = await readOf(sequence, l, layer, { queries, position, inPrompt });
    const { cache } = read.reading;
    const form = formOf(cache, {
      device: model.runtime.device,
      group,
      perQuery: windows !== undefined && Q > 1,
      gated: judged && Q > 1,
      products,
      scores,
    });
    const session = await sessions.open(form);
    const feeds = attendFeeds(
      cache,
      form,
      {
        position,
        queries,
        keys,
        values,
        windows,
        passed: gate?.passed,
        fitted: sequence.fitted,
        registers: sequence.registers[l],
        hidden: projected.hidden,
        now: { ...moment, layer: l },
      },
      sequence.rotary,
    );
    const attention = session.outputs.filter((name) => name.startsWith('attention'));
    const logits = session.outputs.filter((name) => name.startsWith('products'));
    if (observer && attention.length === 0)
      throw new Error(`${sequence.method.name}: its attend slot gives no attention rows to look at; run it with record: false`); // biome-ignore format: one line
    const scored = session.outputs.filter((name) => /^(score|measure)\./.test(name));
    const got = await session.run(feeds, [
      'output',
      'stored',
      ...scored,
      ...(observer ? [...attention, ...logits] : []),
    ]);
    const data = (name: string) => got[name]!.data as Float32Array;
    const copied = Object.values(feeds).reduce((n, t) => n + t.data.byteLength, 0);
    sequence.workspaceBytes = Math.max(sequence.workspaceBytes, copied);
    x = projected.x;
    output = data('output');
    if (observer) {
      const seen = { attention: attention.map(data), products: logits.map(data), hidden: projected.hidden };
      await observer.layer({
        layer: l,
        cache,
        read,
        whole: layer,
        form,
        queries,
        keys,
        values,
        output,
        position,
        ...seen,
      });
      for (const block of [...seen.attention, ...seen.products]) letGo(block);
    }
    const stored = { keys: data('stored'), values };
    commits.push(commit(layer, read.reading, form, got, stored, position, sequence.registers[l]!), read.commit);
    if (gate)
      commits.push(() => {
        for (const [h, { count, columns }] of layer.tables.entries())
          columns.get('score')!.set(gate.scores[h]!, count - Q);
      });
    commits.push(() => addMeasures(sequence.measures, got));
    commits.push(() => seePeaks(layer, queries, (q, row) => rotateRow(q, position[row % Q]!, sequence.rotary)));
    if (tailRows)
      commits.push(
        () => (sequence.tails[l] = joinTail(sequence.tails[l], { data: queries, rows: Q }, tailRows, model.config)),
      );
  }
  signal?.throwIfAborted();
  const logits = rows === 'none' ? new Float32Array(0) : await model.finish(x, output!, Q, wantsLogits ? 'all' : rows);
  for (const apply of commits) apply();
  if (wantsLogits) surprise(sequence, ids, logits);
  sequence.ids.push(...ids);
  if (sequence.method.declaration.segment)
    sequence.pieces.push(...ids.map((id) => utf8.decode(model.tokenizer.bytes(id))));
  for (const _ of ids) sequence.turns.push(sequence.turn);
  sequence.peakBytes = Math.max(sequence.peakBytes, heldBytes(layers));
  return rows === 'last' ? logits.subarray(logits.length - model.config.vocabulary) : logits;
}
