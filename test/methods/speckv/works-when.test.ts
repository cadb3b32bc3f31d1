/** Works when: a draft of the answer votes beside the last queries of the prompt for what stays of the prompt. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { beforePrompt } from '../../../kernel/src/engine/run/pass.ts';
import { mostLikely } from '../../../kernel/src/engine/run/sampler.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { highest, softmax, upTo } from '../by-hand.ts';
import { projected } from '../projections.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());
const prompt = tinyIds.slice(0, 80);
const [entries, window, kernel] = [24, 6, 5];

/** What each head keeps of the prompt: the largest attention of the window and the draft, pooled, beside the window. */
async function keptByHand(draft: readonly number[]): Promise<number[][]> {
  const all = [...prompt, ...draft];
  const { product } = await projected(model, all);
  const { layers, kvHeads, group } = model.config;
  const scored = window + (draft.length ? draft.length + 1 : 0);
  const columns = all.length - scored;
  return upTo(layers * kvHeads).map((head) => {
    const [layer, kvHead] = [Math.floor(head / kvHeads), head % kvHeads];
    const rows = upTo(group).flatMap((member) =>
      upTo(scored).map((i) => {
        const query = columns + i;
        return softmax(upTo(query + 1).map((key) => product(layer, kvHead * group + member, query, key)));
      }),
    );
    const best = upTo(columns).map((key) => Math.max(...rows.map((row) => row[key]!)));
    const pooled = best.map((_, key) => Math.max(...upTo(kernel).map((i) => best[key + i - 2] ?? 0)));
    // The last prompt token is fed again, so the window stands before it.
    const end = draft.length ? prompt.length - 1 : prompt.length;
    const recent = upTo(window).map((i) => end - window + i);
    return [...highest(pooled, entries - window), ...recent, ...(draft.length ? [prompt.length - 1] : [])];
  });
}

async function kept(draft: number): Promise<{ guests: number[]; found: number[][]; logits: Float32Array }> {
  const method = methods.specKV({ entries, window, kernel, draft });
  const { ids, guests } = await beforePrompt(model, method, prompt);
  assert.deepEqual(ids, prompt);
  const sequence = createSequence(model, method);
  const logits = await feedPrompt(sequence, ids, { guests });
  assert.deepEqual(sequence.ids, prompt, 'the draft left nothing behind');
  const found = sequence.layers.flatMap((layer) => layer.tables.map((_, h) => [...keptPositions(layer, h)]));
  return { guests, found, logits };
}

for (const draft of [8, 3])
  test(`with a draft of ${draft} tokens ${window + draft + 1} queries vote, and heads keep what plain loops keep`, async () => {
    const { guests, found } = await kept(draft);
    assert.equal(guests.length, draft);
    assert.deepEqual(found, await keptByHand(guests));
  });

test('without a draft it is the vote of the window alone', async () => {
  const { guests, found } = await kept(0);
  assert.deepEqual(guests, []);
  assert.deepEqual(found, await keptByHand([]));
});

test('the draft is what the model writes with sinks and a window', async () => {
  const { guests } = await kept(8);
  const sequence = createSequence(model, methods.streamingLLM({ sinks: 4, recent: 256 }));
  let logits = await feedPrompt(sequence, prompt);
  const written: number[] = [];
  while (written.length < 8) {
    written.push(mostLikely(logits));
    logits = await feedToken(sequence, written.at(-1)!);
  }
  assert.deepEqual(guests, written);
});

test('the draft changes the choice', async () => {
  assert.notDeepEqual((await kept(8)).found, (await kept(1)).found);
});
