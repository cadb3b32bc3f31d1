/** Runs before the prompt: a filter that chooses its tokens, and guests that vote and leave. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lab, methods } from 'kvlab';

const model = await lab.load(join(import.meta.dirname, '../../fixtures/tiny/tiny.gguf'), {
  device: 'wasm',
  threads: 1,
});
after(() => model.release());
const prompt = Uint32Array.from({ length: 120 }, (_, i) => 5 + ((i * 37) % 400));
const write = (method: ReturnType<typeof methods.full>) => lab.generate(model, prompt, { method, maxTokens: 6 });
const full = await write(methods.full());

test('GemFilter with room for the prompt writes what the full cache writes', async () => {
  const run = await write(methods.gemFilter({ layer: 1, tokens: 500 }));
  assert.deepEqual(run.ids, full.ids);
  assert.equal(run.kept(1, 2).length, 125);
});

test('GemFilter reads only the tokens that its filter chose, at positions from 0', async () => {
  const run = await write(methods.gemFilter({ layer: 1, tokens: 40 }));
  assert.deepEqual(
    [...run.kept(0, 0)],
    Array.from({ length: 45 }, (_, i) => i),
  );
  const read = run.table('tokens').array('id') as ArrayLike<number>;
  const chosen = Array.from(read).slice(0, 40);
  let at = -1;
  for (const id of chosen)
    assert.ok((at = prompt.indexOf(id, at + 1)) >= 0, `token ${id} stands in the prompt's order`);
});

test('GemFilter takes a share of the prompt as its total', async () => {
  assert.equal((await write(methods.gemFilter({ layer: 1, keep: 0.25 }))).kept(0, 0).length, 35);
  assert.deepEqual((await write(methods.gemFilter({ layer: 1, keep: 1 }))).ids, full.ids);
});

test('GemFilter refuses more layers than the model has', async () => {
  await assert.rejects(
    write(methods.gemFilter({ layer: 13, tokens: 40 })),
    /pass: 13 layers were asked for; the model has 1 to 2/,
  );
});

test('SpecKV with room for the prompt writes what the full cache writes, and no guest stays', async () => {
  const run = await write(methods.specKV({ entries: 500 }));
  assert.deepEqual(run.ids, full.ids);
  assert.deepEqual(
    [...run.kept(1, 0)],
    Array.from({ length: 125 }, (_, i) => i),
  );
});

test('SpecKV keeps its budget of the prompt, chosen with the draft looking on', async () => {
  const run = await write(methods.specKV({ entries: 50, window: 8 }));
  const kept = run.kept(0, 1);
  assert.equal(kept.filter((p) => p < 119).length, 50);
  const alone = await write(methods.snapKV({ entries: 50, window: 8 }));
  assert.notDeepEqual([...kept], [...alone.kept(0, 1)]);
});
