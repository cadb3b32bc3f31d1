/** What each method costs and keeps on the real model: time beside the full cache in the same run, bytes, what is lost.
 *
 *  `npm run bench:methods -- h2o snapKV` measures these only; a number is the length of the prompt. All are fed the full
 *  cache's own continuation. The first tokens of it are judged while attention is watched, the last ones are timed with
 *  nothing watching, in turns with the full cache at the same length. */
import { type Method, type MethodFactory, methods } from '@kvlab/ops';
import { readLedger } from '../../kernel/src/engine/cache/ledger.ts';
import { fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import { beforePrompt } from '../../kernel/src/engine/run/pass.ts';
import { divergence, logSumExp, mostLikely } from '../../kernel/src/engine/run/sampler.ts';
import { createSequence, forkSequence, type Sequence } from '../../kernel/src/engine/run/sequence.ts';
import type { LayerView } from '../../kernel/src/engine/run/step-observer.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { modelFile } from '../../kernel/src/model-file.ts';
import { settings } from './report/settings.ts';
import { story } from './report/story.ts';
import { median, tableLines } from './report/table.ts';

const judged = 96;
const timed = 32;
const inTurn = 4;
const promptTokens = Number(process.argv.slice(2).find((a) => /^\d+$/.test(a)) ?? 1024);
const asked = process.argv.slice(2).filter((a) => a in methods);

const model = await loadModel(modelFile(), { device: 'wasm' });
const ids = Array.from(model.tokenizer.encode(story).ids.slice(0, promptTokens));
const { queryHeads, kvHeads, group, layers: layerCount } = model.config;

/** What the full cache did in one judged step. */
interface Reference {
  logits: Float32Array;
  /** By layer: a row of each query head over positions, its own token left out, and the attention output. */
  rows: Float32Array[][];
  outputs: Float32Array[];
}

/** Rows of the newest query by absolute position; only for a cache that is one store in order. */
function rowsOf({ attention, position, cache }: LayerView): Float32Array[] {
  const block = attention[0]!;
  const columns = block.length / queryHeads;
  const { slot } = cache.tables[0]!;
  return Array.from({ length: queryHeads }, (_, q) =>
    Float32Array.from({ length: position[0]! }, (_, p) => block[q * columns + slot.keys[p]!]!),
  );
}

const full = createSequence(model, methods.full());
let logits = await feedPrompt(full, ids);
const beforeAnswer = forkSequence(full);
const firstLogits = logits;
const answer: number[] = [];
const references: Reference[] = [];
for (let step = 0; step < judged; step++) {
  answer.push(mostLikely(logits));
  const rows: Float32Array[][] = [];
  const outputs: Float32Array[] = [];
  const observer = {
    event() {},
    written() {},
    layer(view: LayerView) {
      rows[view.layer] = rowsOf(view);
      outputs[view.layer] = view.output;
    },
  };
  logits = await feedToken(full, answer[step]!, { observer });
  references.push({ logits, rows, outputs });
}
for (let step = judged; step < judged + timed; step++) {
  answer.push(mostLikely(logits));
  logits = await feedToken(full, answer[step]!);
}
const fullHeld = readLedger(full.method, full.layers).held;

/** Sums over judged steps of one method. */
interface Sums {
  kl: number;
  agree: number;
  mass: number;
  massBehindFirst: number;
  outputError: number;
  steps: number;
}

/** Shares of the full cache's attention that fall on entries the method still holds, means over query heads. */
function keptMass(view: LayerView, rows: readonly Float32Array[]): { all: number; behindFirst: number } {
  const sum = { all: 0, behindFirst: 0 };
  for (let q = 0; q < queryHeads; q++) {
    const table = view.cache.tables[Math.floor(q / group)]!;
    const row = rows[q]!;
    const total = row.reduce((a, b) => a + b, 0);
    let held = 0;
    let first = 0;
    for (let e = 0; e < table.count; e++) {
      const position = table.position[e]!;
      if (position === 0) first = row[0]!;
      held += row[position] ?? 0;
    }
    sum.all += held / total / queryHeads;
    sum.behindFirst += (held - first) / (total - row[0]!) / queryHeads;
  }
  return sum;
}

const distance = (a: Float32Array, b: Float32Array): number => {
  let [apart, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    apart += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(apart / size);
};

async function judge(sequence: Sequence, first: Float32Array, wholePrompt: boolean): Promise<Sums> {
  const sums: Sums = { kl: 0, agree: 0, mass: 0, massBehindFirst: 0, outputError: 0, steps: judged };
  let own = first;
  for (let step = 0; step < judged; step++) {
    const reference = step === 0 ? firstLogits : references[step - 1]!.logits;
    sums.kl += divergence(reference, logSumExp(reference), own, logSumExp(own));
    if (mostLikely(own) === answer[step]) sums.agree++;
    const { rows, outputs } = references[step]!;
    const observer = {
      event() {},
      written() {},
      layer(view: LayerView) {
        sums.outputError += distance(view.output, outputs[view.layer]!) / layerCount;
        if (!wholePrompt) return;
        const { all, behindFirst } = keptMass(view, rows[view.layer]!);
        sums.mass += all / layerCount;
        sums.massBehindFirst += behindFirst / layerCount;
      },
    };
    own = await feedToken(sequence, answer[step]!, { observer });
  }
  return sums;
}

async function timeSteps(sequence: Sequence, from: number, times: number[]): Promise<void> {
  for (let step = from; step < from + inTurn; step++) {
    const start = performance.now();
    await feedToken(sequence, answer[step]!);
    times.push(performance.now() - start);
  }
}

const MiB = (bytes: number): number => bytes / 2 ** 20;
const columns = [
  'method',
  'setting',
  'ms a token',
  'of full',
  'prefill ms a token',
  'MiB held',
  'MiB claimed',
  'mean KL',
  'top-1',
  'attention kept',
  'without token 0',
  'output error',
];
console.log(
  `${ids.length} tokens of prompt, ${judged + timed} forced tokens, ${kvHeads} KV heads in ${layerCount} layers on wasm; full holds ${MiB(fullHeld).toFixed(1)} MiB; KL in nats`,
);
// Rows come one by one: the whole list takes a quarter of an hour.
console.log(tableLines(columns, []).join('\n'));
for (const [name, factory] of Object.entries(methods)) {
  if (asked.length && !asked.includes(name)) continue;
  const method: Method = (factory as unknown as MethodFactory<object>)(settings[name] ?? {});
  const fitted = await fittedFor(model, method, {});
  const sequence = createSequence(model, method, 0, fitted);
  const { ids: read, guests } = await beforePrompt(model, method, ids);
  const start = performance.now();
  const first = await feedPrompt(sequence, read, { guests });
  const prefillMs = performance.now() - start;
  const wholePrompt = read.length === ids.length;
  const sums = await judge(sequence, first, wholePrompt);
  const beside = forkSequence(beforeAnswer);
  const [ownMs, fullMs]: [number[], number[]] = [[], []];
  for (let at = judged; at < judged + timed; at += inTurn) {
    await timeSteps(sequence, at, ownMs);
    await timeSteps(beside, at, fullMs);
  }
  const ledger = readLedger(method, sequence.layers);
  const mean = (sum: number) => sum / sums.steps;
  const row = [
    name,
    method.setting || 'defaults',
    median(ownMs),
    median(ownMs)! / median(fullMs)!,
    prefillMs / read.length,
    MiB(ledger.held),
    MiB(ledger.claimed),
    mean(sums.kl),
    mean(sums.agree),
    wholePrompt ? mean(sums.mass) : undefined,
    wholePrompt ? mean(sums.massBehindFirst) : undefined,
    mean(sums.outputError),
  ];
  console.log(tableLines(columns, [row]).at(-1));
}
await model.release();
process.exit(0);
