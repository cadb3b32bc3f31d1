/** Comparison: several methods and the full cache on the same prompt, in lock step, so that logits are never stored. */
import { type Fitted, type Method, methods } from '@kvlab/ops';
import { budgetBytes, heldBytes, readLedger } from '../cache/ledger.ts';
import { fittedFor } from '../fit/fitted.ts';
import type { Model } from '../model/load.ts';
import { type ComparisonRecord, createComparisonRecord } from '../record/comparison-record.ts';
import type { Frame } from '../record/frame.ts';
import { createRecorder, type Recorder } from '../record/recorder.ts';
import { bytesOf, type RunBytes } from './bytes.ts';
import { type Free, writeFreely } from './free.ts';
import { runInfo, titleOf } from './info.ts';
import { feedLane, type Lane } from './lane.ts';
import { beforePrompt } from './pass.ts';
import { type Prompt, promptIds } from './prompt.ts';
import type { Stage } from './run.ts';
import { checkSampler, divergence, logSumExp, mostLikely, randomStream, type Sampler, sample } from './sampler.ts';
import { createSequence, forkSequence } from './sequence.ts';
import { feedPrompt } from './steps.ts';

export interface CompareOptions {
  methods: readonly Method[];
  /** forced: every method is fed the full cache's tokens. free: each writes on by itself. both: one after the other. */
  mode?: 'forced' | 'free' | 'both';
  /** Tokens that the full cache writes and all methods are judged on. */
  maxTokens?: number;
  /** Judge on these tokens instead of the full cache's own. */
  answer?: string | ArrayLike<number>;
  /** How tokens are chosen, the same for all. */
  sampler?: Sampler;
  seed?: number;
  chunk?: number;
  /** Records each lane as a run for the other panels, where there are panels (default true). */
  record?: boolean;
  /** Name of the comparison in the lab. */
  title?: string;
  signal?: AbortSignal;
  onStep?: (step: number, of: number) => void;
}
export interface Compared {
  method: string;
  setting: string;
  /** KL(full || method) in nats after each token; like the next six empty or NaN in free mode. */
  kl: Float32Array;
  meanKl: number;
  /** 1 where both put the same token first. */
  top1: Uint8Array;
  agreement: number;
  /** -ln p of the reference tokens. */
  nll: Float32Array;
  perplexity: number;
  stepMs: number;
  bytes: RunBytes;
  /** What the method wrote by itself; absent in forced mode. */
  free?: Free;
}
export interface Comparison {
  mode: 'forced' | 'free' | 'both';
  model: string;
  device: string;
  promptTokens: number;
  seed: number;
  /** The reference tokens, and what they say: those that all were fed, or in free mode what the full cache wrote. */
  ids: Uint32Array;
  text: string;
  /** The full cache first, then the methods in the order given. */
  results: readonly Compared[];
  /** Everything that its panel draws. */
  snapshot(): Frame;
  /** What was recorded of each lane as a run of its own; empty where nothing was. */
  runs(): readonly Frame[];
}

export async function compare(
  model: Model,
  prompt: Prompt,
  options: CompareOptions,
  stage: Stage,
): Promise<Comparison> {
  const { maxTokens = 64, seed = 0, sampler = 'greedy', signal, mode = 'forced' } = options;
  checkOptions(options);
  const given = answerOf(model, options);
  const ids = promptIds(model, prompt);
  const run = stage.newId();
  const lanes = await createLanes(model, prompt, ids, run, options, stage);
  const record = recordOf(model, ids, run, lanes, options);
  const publish = (state: Parameters<Recorder['frame']>[0], message?: string): void => {
    stage.publish?.(record.frame(state, message));
    for (const { recorder } of lanes)
      if (recorder) stage.publish?.(recorder.frame(state, message, state !== 'running'));
  };
  try {
    await readPrompts(lanes, ids, record, options, stage, () => publish('running', `read by ${lanesRead(lanes)}`));
    const forks = mode === 'both' ? lanes.map((lane) => ({ ...lane, sequence: forkSequence(lane.sequence) })) : [];
    const judge = {
      given,
      maxTokens,
      sampler,
      random: randomStream(seed + ids.length),
      signal,
      onStep: options.onStep,
    };
    const judged =
      mode === 'free' ? undefined : await judgeForced(lanes, record, judge, stage, () => publish('running'));
    const free =
      mode === 'forced'
        ? undefined
        : await writeFreely(
            mode === 'both' ? forks : lanes,
            record,
            { maxTokens, sampler, seed, signal, onStep: options.onStep, watched: mode === 'free' },
            stage,
            () => publish('running'),
          );
    publish('finished', 'compared');
    const reference = judged?.answer ?? Array.from(free![0]!.ids);
    return {
      mode,
      model: model.name,
      device: model.runtime.device,
      promptTokens: ids.length,
      seed,
      ids: Uint32Array.from(reference),
      text: model.tokenizer.decode(reference),
      results: lanes.map((lane, p) => comparedOf(lane, judged?.lanes[p], free?.[p])),
      snapshot: () => record.snapshot('finished', 'compared'),
      runs: () => lanes.flatMap(({ recorder }) => recorder?.snapshot('finished', 'compared') ?? []),
    };
  } catch (error) {
    publish(signal?.aborted ? 'interrupted' : 'failed', (error as Error).message);
    throw error;
  }
}

function checkOptions({ mode = 'forced', methods, answer, maxTokens = 64, sampler = 'greedy' }: CompareOptions): void {
  if (!['forced', 'free', 'both'].includes(mode))
    throw new Error(`compare: mode is ${JSON.stringify(mode)}; give 'forced', 'free' or 'both'`);
  if (methods.length === 0) throw new Error('compare: there are no methods; give at least one');
  if (methods.length > 15)
    throw new RangeError(
      `compare: there are ${methods.length} methods; give at most 15, in two comparisons if need be`,
    );
  if (mode === 'free' && answer !== undefined)
    throw new Error("compare: free mode lets each method write its own answer; leave answer out or use mode 'forced'");
  if (!Number.isInteger(maxTokens) || maxTokens < 1)
    throw new RangeError(`compare: maxTokens is ${maxTokens}; give a whole number from 1`);
  checkSampler(sampler);
}

async function createLanes(
  model: Model,
  prompt: Prompt,
  ids: readonly number[],
  comparison: string,
  options: CompareOptions,
  stage: Stage,
): Promise<Lane[]> {
  const { seed = 0, signal, record = true, maxTokens = 64 } = options;
  const all = [methods.full(), ...options.methods];
  const fitted: Fitted[] = [];
  for (const method of all) fitted.push(await fittedFor(model, method, { signal }));
  const title = options.title ?? titleOf(model, prompt, ids);
  return all.map((method, index) => {
    const sequence = createSequence(model, method, seed, fitted[index]);
    const about = { run: stage.newId(), title: `${title}, ${method.name}`, promptLength: ids.length, maxTokens, seed };
    const info = { ...runInfo(sequence, about), laneOf: { comparison, lane: index } };
    return {
      index,
      sequence,
      logits: new Float32Array(0),
      recorder: record && stage.publish ? createRecorder(sequence, info) : undefined,
      wholePrompt: true,
      spentMs: 0,
      lastMs: Number.NaN,
    };
  });
}

function recordOf(
  model: Model,
  ids: readonly number[],
  run: string,
  lanes: readonly Lane[],
  { mode = 'forced', seed = 0, maxTokens = 64, sampler = 'greedy', title }: CompareOptions,
): ComparisonRecord {
  const others = lanes.slice(1).map(({ sequence }) => sequence.method.name);
  const about = {
    run,
    title: title ?? `full cache and ${others.join(', ')}`,
    promptLength: ids.length,
    maxTokens,
    seed,
  };
  const base = runInfo(lanes[0]!.sequence, about);
  const record = createComparisonRecord({
    ...base,
    method: { ...base.method, name: 'comparison', setting: others.join(', '), slots: [] },
    comparison: {
      mode,
      sampler: sampler === 'greedy' ? 'greedy' : Object.entries(sampler).flat().join(' '),
      lanes: lanes.map(({ sequence: { method }, recorder }) => ({
        method: method.name,
        setting: method.setting,
        ...(recorder && { run: recorder.info.run }),
      })),
    },
  });
  record.tokens(ids, model.tokenizer.texts(ids), 0);
  return record;
}

/** Reads the prompt into every lane. */
async function readPrompts(
  lanes: readonly Lane[],
  ids: readonly number[],
  record: ComparisonRecord,
  { chunk = 128, signal }: CompareOptions,
  stage: Stage,
  onRead: () => void,
): Promise<void> {
  onRead();
  for (const lane of lanes) {
    const { sequence, recorder } = lane;
    const { model, method } = sequence;
    const { ids: read, guests } = await beforePrompt(model, method, ids, signal);
    lane.wholePrompt = read.length === ids.length;
    const start = stage.now();
    lane.logits = await feedPrompt(sequence, read, { chunk, guests, signal, observer: recorder });
    recorder?.tokens(read, 0, [], []);
    recorder?.step(stage.now() - start);
    if (lane.wholePrompt) record.holding(lane.index, 0, sequence.layers);
    onRead();
  }
  record.budgets(
    Float64Array.from(lanes, ({ sequence: { method, allocated, model } }) =>
      budgetBytes(method, allocated, model.config.headSize),
    ),
  );
}

function lanesRead(lanes: readonly Lane[]): string {
  return `${lanes.filter(({ logits }) => logits.length).length} of ${lanes.length} methods`;
}

function answerOf(model: Model, { answer }: CompareOptions): number[] | undefined {
  if (answer === undefined) return undefined;
  const ids = Array.from(typeof answer === 'string' ? model.tokenizer.encode(answer).ids : answer);
  if (ids.length === 0) throw new Error('compare: the answer is empty; give text or token ids, or leave it out');
  return ids;
}

interface JudgedLane {
  kl: number[];
  top1: number[];
  nll: number[];
}

/** Feeds the full cache's tokens, or those given, to all lanes, and judges each prediction against the full cache's. */
async function judgeForced(
  lanes: readonly Lane[],
  record: ComparisonRecord,
  options: {
    given: readonly number[] | undefined;
    maxTokens: number;
    sampler: Sampler;
    random: () => number;
    signal: AbortSignal | undefined;
    onStep: CompareOptions['onStep'];
  },
  stage: Stage,
  onJudged: () => void,
): Promise<{ answer: number[]; lanes: JudgedLane[] }> {
  const { given, sampler, random, signal } = options;
  const full = lanes[0]!;
  const { tokenizer } = full.sequence.model;
  const results = lanes.map((): JudgedLane => ({ kl: [], top1: [], nll: [] }));
  const answer: number[] = [];
  const steps = given?.length ?? options.maxTokens;
  for (let step = 0; step < steps; step++) {
    const sum = logSumExp(full.logits);
    const best = mostLikely(full.logits);
    const next = given?.[step] ?? sample(full.logits, sampler, random, full.sequence.ids);
    const row = lanes.map((lane) => {
      const own = logSumExp(lane.logits);
      const { layers, method } = lane.sequence;
      return {
        kl: lane === full ? 0 : divergence(full.logits, sum, lane.logits, own),
        top1: mostLikely(lane.logits) === best,
        nll: own - lane.logits[next]!,
        bytesHeld: heldBytes(layers),
        bytesClaimed: readLedger(method, layers).claimed,
        stepMs: lane.lastMs,
      };
    });
    row.forEach(({ kl, top1, nll }, p) => {
      results[p]!.kl.push(kl);
      results[p]!.top1.push(top1 ? 1 : 0);
      results[p]!.nll.push(nll);
    });
    answer.push(next);
    record.judged(step, row);
    record.tokens([next], tokenizer.texts([next]), step + 1);
    onJudged();
    options.onStep?.(step + 1, steps);
    if (!given && tokenizer.ends.has(next)) break;
    if (step === steps - 1) break;
    for (const lane of lanes) {
      const logProb = -row[lane.index]!.nll;
      await feedLane(lane, next, record, { now: stage.now, signal, logProb });
    }
  }
  return { answer, lanes: results };
}

function comparedOf({ sequence, spentMs }: Lane, judged: JudgedLane | undefined, free: Free | undefined): Compared {
  const { kl, top1, nll } = judged ?? { kl: [], top1: [], nll: [] };
  const { name, setting } = sequence.method;
  return {
    method: name,
    setting,
    kl: Float32Array.from(kl),
    meanKl: mean(kl),
    top1: Uint8Array.from(top1),
    agreement: mean(top1),
    nll: Float32Array.from(nll),
    perplexity: Math.exp(mean(nll)),
    stepMs: judged ? spentMs / Math.max(1, kl.length - 1) : Number.NaN,
    bytes: bytesOf(sequence),
    ...(free && { free }),
  };
}

/** NaN without values. */
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
