/** NVIDIA kvpress 0.5.5 beside us: what it keeps of two prompts on the default model, and what our profiles of it keep. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { inflateSync } from 'node:zlib';
import {
  acrossHeads,
  all,
  exact,
  expectedAttention,
  type Fitted,
  first,
  type Method,
  type MethodFactory,
  method,
  methods,
  nothing,
  oneTier,
  rows,
  tensor,
  top,
  zones,
} from '@kvlab/ops';
import { keptPositions } from '../../kernel/src/engine/cache/layer.ts';
import { allocateBudget } from '../../kernel/src/engine/keep/pass.ts';
import { loadModel, type Model } from '../../kernel/src/engine/model/load.ts';
import { keepNow } from '../../kernel/src/engine/run/due.ts';
import { createSequence, forkSequence, type Sequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt } from '../../kernel/src/engine/run/steps.ts';
import { defaultModelPath } from '../model/default-model.ts';
import { replayedModel } from './replayed-model.ts';

interface Case {
  method: string;
  press: string;
  prompt: string;
  keep: number;
  options: object;
  /** Size of its block in kept.bin. */
  bytes: number;
  /** Entries that tie with the last that is kept. */
  tied: number;
  /** DuoAttention only: the list of heads it was given. */
  retrieval?: number[];
}
interface Recorded {
  layers: number;
  kvHeads: number;
  prompts: Record<string, number[]>;
  cases: Case[];
}
const folder = new URL('../../fixtures/kvpress/', import.meta.url);
const { layers, kvHeads, prompts, cases }: Recorded = JSON.parse(readFileSync(new URL('kept.json', folder), 'utf8'));
const blocks = readFileSync(new URL('kept.bin', folder));
/** Where the block of each case begins. */
const offsets = cases.map((_, i) => cases.slice(0, i).reduce((n, { bytes }) => n + bytes, 0));

/** AdaKV over expected attention: the allocator takes any score. */
const adaExpected = method(
  'AdaKV of expected attention',
  { profile: 'paper' as 'paper' | 'kvpress' },
  (o) => ({
    when: 'prompt',
    score: expectedAttention({ queries: 8192, skip: 4 }),
    allocate: acrossHeads({ keep: o.keep! }, { floor: 0.2, floorOf: 'head', rounding: 'down' }),
    select: zones({ sinks: first(4), heavy: top }),
    compensate: nothing,
    encode: exact,
    place: oneTier,
    fetch: all,
    attend: rows(),
  }),
  { paper: 'arXiv:2407.11550', profiles: { kvpress: {} } },
);

function methodOf({ method: name, keep, options, retrieval }: Case): Method {
  const known = { ...methods, adaExpected } as unknown as Record<string, MethodFactory<object>>;
  return known[name]!({ profile: 'kvpress', ...(retrieval ? {} : { keep }), ...options } as object);
}

/** What the fit of a method gave, where the fixture has it. */
function fittedOf({ declaration }: Method, { retrieval }: Case): Fitted | undefined {
  if (!retrieval) return undefined;
  return new Map([[`${declaration.allocate.fits![0]!.name}/retrieval`, tensor([layers, kvHeads], retrieval)]]);
}

/** Two lists of positions for each head: kept, and tied. */
function readBlock(from: number, { bytes, prompt }: Case): { kept: number[][]; tied: number[][] } {
  const data = inflateSync(blocks.subarray(from, from + bytes));
  const length = prompts[prompt]!.length;
  const width = Math.ceil(length / 8);
  const heads = layers * kvHeads;
  const lists = Array.from({ length: 2 * heads }, (_, row) =>
    Array.from({ length }, (_, t) => t).filter((t) => (data[row * width + (t >> 3)]! >> (t & 7)) & 1),
  );
  return { kept: lists.slice(0, heads), tied: lists.slice(heads) };
}

describe('under profile kvpress at least 99 of 100 kept entries are those that kvpress keeps', () => {
  let model: Model;
  before(async () => {
    model = await loadModel(defaultModelPath(), { device: 'wasm' });
  });
  after(() => model.release());

  for (const [prompt, ids] of Object.entries(prompts))
    describe(prompt, () => {
      let replayed: Model;
      before(() => {
        replayed = replayedModel(model);
      });
      const ofPrompt = cases.flatMap((one, i) => (one.prompt === prompt ? [{ one, at: offsets[i]! }] : []));
      for (const name of new Set(ofPrompt.map(({ one }) => one.method))) {
        const settings = ofPrompt.filter(({ one }) => one.method === name);
        // Scores do not depend on how much is kept, so the prompt is read once, and each amount selects from a copy.
        let read: Promise<Sequence> | undefined;
        for (const { one, at } of settings)
          test(`${name} and ${one.press}, keep ${one.keep}`, async () => {
            const method = methodOf(one);
            assert.deepEqual(method.when, ['prompt'], 'it acts once, when the prompt is read');
            if (one.retrieval) {
              compare(one, readBlock(at, one), await readPrompt(replayed, method, ids, fittedOf(method, one)));
              return;
            }
            read ??= readPrompt(replayed, methodOf({ ...one, keep: 1 }), ids);
            compare(one, readBlock(at, one), await select(await read, method));
            if (one === settings.at(-1)!.one) read = undefined;
          });
      }
    });
});

async function readPrompt(model: Model, method: Method, ids: readonly number[], fitted?: Fitted): Promise<Sequence> {
  const sequence = createSequence(model, method, 0, fitted);
  await feedPrompt(sequence, ids, { chunk: ids.length });
  return sequence;
}

/** A copy of a sequence that holds everything, cut down to what the method keeps. */
async function select(full: Sequence, method: Method): Promise<Sequence> {
  const { headSize } = full.model.config;
  const allocated = allocateBudget(method, layers, kvHeads, headSize, full.promptLength);
  const copy = forkSequence(full);
  await keepNow(copy, { line: method, allocated }, []);
  return copy;
}

function compare(one: Case, { kept, tied }: ReturnType<typeof readBlock>, { layers: ours }: Sequence): void {
  assert.equal(tied.flat().length, one.tied, 'ties are listed');
  let [same, all, held] = [0, 0, 0];
  kept.forEach((theirs, head) => {
    const mine = new Set(keptPositions(ours[Math.floor(head / kvHeads)]!, head % kvHeads));
    const open = new Set(tied[head]);
    same += theirs.filter((t) => mine.has(t) || open.has(t)).length;
    all += theirs.length;
    held += mine.size;
    if (!/^ada/.test(one.method)) assert.equal(mine.size, theirs.length, `entries of head ${head}`);
  });
  assert.equal(held, all, 'entries of all heads');
  assert.ok(same >= 0.99 * all, `${same} of ${all} entries agree: ${((100 * same) / all).toFixed(2)} %`);
}
