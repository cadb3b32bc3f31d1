/** No method is another by a different name: each differs from every other in what it keeps or in what the model then says. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Method, type MethodFactory, methods } from '@kvlab/ops';
import { keptPositions } from '../../kernel/src/engine/cache/layer.ts';
import { fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { beforePrompt } from '../../kernel/src/engine/run/pass.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { librarySettings } from '../engine/settings.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';
import { apart } from '../engine/walk.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

/** Options so small that they act on a short text, where a method has them. */
const small: Record<string, unknown> = {
  window: 4,
  lag: 8,
  chunk: 4,
  local: 8,
  sinks: 2,
  layer: 1,
  layers: 2,
  from: 1,
  burst: 4,
};
/** Methods that hold everything and promise the full cache's answer: they differ in where and how they compute it. */
const exactOnes = ['full', 'flashAttention', 'flashDecodingPlusPlus', 'vAttention'];
/** Methods that the fixture text gives nothing to do, and where they are told from others. */
const idle: Record<string, string> = { timTree: 'acts on trees of tasks only: test/methods/tim-tree' };

/** Methods that select by one total amount, and so can be told apart at equal amounts. */
const selecting = new Set(
  ['window', 'streamingLLM', 'h2o', 'random', 'keyNorm', 'observedAttention', 'tova', 'keyformer', 'sirLLM']
    .concat(['scissorhands', 'keyDiff', 'lagKV', 'cur', 'leverageScore', 'expectedAttention', 'snapKV', 'pyramidKV'])
    .concat(['chunkKV', 'adaKV', 'specKV', 'razorAttention', 'duoAttention', 'gemFilter', 'specPC']),
);

/** A method at a share of the prompt, or in the first of its settings for the laws. */
function settingOf(name: string, factory: MethodFactory<object>, keep: number): Method {
  const options = Object.fromEntries(Object.entries(small).filter(([option]) => option in factory.defaults));
  if (selecting.has(name)) return factory({ keep, ...options } as object);
  const written = librarySettings.find(({ method }) => method.name === factory.methodName);
  return written?.method ?? factory();
}

async function outcome(method: Method, prompt: readonly number[], steps: number) {
  const { ids, guests } = await beforePrompt(model, method, prompt);
  const sequence = createSequence(model, method, 1, await fittedFor(model, method));
  const logits = [await feedPrompt(sequence, ids, { guests, chunk: 16 })];
  for (const id of tinyIds.slice(prompt.length, prompt.length + steps)) logits.push(await feedToken(sequence, id));
  const kept = sequence.layers
    .map((layer) => layer.tables.map((_, h) => keptPositions(layer, h).join()).join('/'))
    .join('|');
  return { logits, kept };
}

test('no two methods keep the same and say the same on every fixture run', async () => {
  const lists = Object.entries(methods as unknown as Record<string, MethodFactory<object>>).filter(
    ([name]) => !(name in idle),
  );
  const runs = [
    { prompt: tinyIds.slice(0, 60), steps: 12, keep: 0.6 },
    { prompt: tinyIds.slice(100, 140), steps: 6, keep: 0.7 },
  ];
  const found: { name: string; outcomes: Awaited<ReturnType<typeof outcome>>[] }[] = [];
  for (const [name, factory] of lists) {
    const outcomes: Awaited<ReturnType<typeof outcome>>[] = [];
    for (const { prompt, steps, keep } of runs)
      outcomes.push(await outcome(settingOf(name, factory, keep), prompt, steps));
    found.push({ name, outcomes });
  }
  const equal = found.flatMap((a, i) =>
    found
      .slice(i + 1)
      .filter((b) => !(exactOnes.includes(a.name) && exactOnes.includes(b.name)))
      .filter((b) =>
        a.outcomes.every(({ kept, logits }, run) => {
          const other = b.outcomes[run]!;
          return kept === other.kept && apart(logits, other.logits) < 1e-5;
        }),
      )
      .map((b) => `${a.name} and ${b.name}`),
  );
  assert.deepEqual(equal, []);
  assert.ok(found.length >= 24, `${found.length} methods`);
});
