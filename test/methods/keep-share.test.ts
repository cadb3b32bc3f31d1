/** `keep: k` is the share of the prompt that is held in all, for every method that selects, by whatever zones and heads. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { entriesOf, type Method, methods } from '@kvlab/ops';
import { fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { beforePrompt } from '../../kernel/src/engine/run/pass.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt } from '../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const prompt = tinyIds.slice(0, 64);
const vote = { window: 4 };
const selecting: Record<string, (keep: number) => Method> = {
  window: (keep) => methods.window({ keep }),
  streamingLLM: (keep) => methods.streamingLLM({ keep }),
  h2o: (keep) => methods.h2o({ keep }),
  random: (keep) => methods.random({ keep }),
  keyNorm: (keep) => methods.keyNorm({ keep }),
  observedAttention: (keep) => methods.observedAttention({ keep }),
  tova: (keep) => methods.tova({ keep }),
  keyformer: (keep) => methods.keyformer({ keep }),
  scissorhands: (keep) => methods.scissorhands({ keep, recent: 4, burst: 0 }),
  sirLLM: (keep) => methods.sirLLM({ keep }),
  keyDiff: (keep) => methods.keyDiff({ keep }),
  lagKV: (keep) => methods.lagKV({ keep, lag: 8 }),
  cur: (keep) => methods.cur({ keep }),
  leverageScore: (keep) => methods.leverageScore({ keep }),
  expectedAttention: (keep) => methods.expectedAttention({ keep }),
  snapKV: (keep) => methods.snapKV({ keep, ...vote }),
  pyramidKV: (keep) => methods.pyramidKV({ keep, ...vote }),
  adaKV: (keep) => methods.adaKV({ keep, ...vote }),
  chunkKV: (keep) => methods.chunkKV({ keep, ...vote, chunk: 4 }),
  gemFilter: (keep) => methods.gemFilter({ keep, layer: 1 }),
  specPC: (keep) => methods.specPC({ keep, layers: 2, from: 1 }),
  razorAttention: (keep) => methods.razorAttention({ keep, sinks: 2 }),
  duoAttention: (keep) => methods.duoAttention({ keep, sinks: 2, retrieval: 0.3 }),
};

/** Tokens that the heads hold in all after the prompt; entries that stand for others are none. */
async function heldInAll(method: Method): Promise<number> {
  const { ids, guests } = await beforePrompt(model, method, prompt);
  const sequence = createSequence(model, method, 0, await fittedFor(model, method));
  await feedPrompt(sequence, ids, { guests, chunk: 16 });
  const { syntheticZone } = sequence.layers[0]!.shape;
  return sequence.layers
    .flatMap(({ tables }) => tables)
    .reduce((n, { count, zone }) => n + zone.keys.subarray(0, count).filter((z) => z !== syntheticZone).length, 0);
}

for (const [name, make] of Object.entries(selecting))
  for (const keep of name === 'duoAttention' || name === 'razorAttention' ? [0.5, 0.7] : [0.25, 0.5])
    test(`${name} with keep ${keep} holds ${keep * 100} % of the prompt`, async () => {
      const heads = model.config.layers * model.config.kvHeads;
      const allowed = heads * entriesOf(keep, prompt.length);
      const held = await heldInAll(make(keep));
      // Whole chunks leave less than a chunk unused.
      const unused = name === 'chunkKV' ? heads * 3 : 0;
      assert.ok(held <= allowed && held >= allowed - unused, `${held} of ${allowed}`);
    });

test('specKV holds its share of the prompt, and the last token of the prompt, which is read once more', async () => {
  const heads = model.config.layers * model.config.kvHeads;
  assert.equal(await heldInAll(methods.specKV({ keep: 0.5, ...vote })), heads * 33);
});

test('keep 1 holds everything', async () => {
  const heads = model.config.layers * model.config.kvHeads;
  for (const make of Object.values(selecting)) {
    const method = make(1);
    assert.equal(await heldInAll(method), heads * prompt.length, method.name);
  }
});

test('entries and bytes mean the same total as the share that they are', async () => {
  const heads = model.config.layers * model.config.kvHeads;
  const bytes = heads * 32 * 2 * 4 * model.config.headSize;
  for (const name of ['h2o', 'streamingLLM', 'keyDiff'] as const) {
    const held = await Promise.all([heldInAll(methods[name]({ entries: 32 })), heldInAll(methods[name]({ bytes }))]);
    assert.deepEqual(held, [heads * 32, heads * 32], name);
  }
});

test('the share is a mean: pyramidKV holds more in early layers, adaKV more in some heads of a layer', async () => {
  const counts = async (method: Method) => {
    const sequence = createSequence(model, method);
    await feedPrompt(sequence, prompt, { chunk: 16 });
    return sequence.layers.map(({ tables }) => tables.map(({ count }) => count));
  };
  const pyramid = await counts(methods.pyramidKV({ keep: 0.3, steepness: 4, ...vote }));
  assert.ok(pyramid[0]![0]! > pyramid[1]![0]!);
  assert.ok(pyramid.every((layer) => new Set(layer).size === 1));
  const ada = await counts(methods.adaKV({ keep: 0.3, ...vote }));
  assert.ok(ada.some((layer) => new Set(layer).size > 1));
});

test('256 entries with a window of 32 and a draft of 8: 41 queries vote for 224 entries', () => {
  const { score, allocate } = methods.specKV().declaration;
  assert.deepEqual(score.needs, [{ of: 'attention', rows: { last: 41, guests: 9 } }]);
  const request = {
    layers: 1,
    kvHeads: 1,
    promptLength: 1000,
    bytesPerEntry: 512,
    zones: ['recent', 'heavy'],
    reserved: 0,
  };
  const amounts = allocate.allocate(request);
  assert.deepEqual([amounts.get('recent')![0], amounts.get('heavy')![0]], [32, 224]);
});
