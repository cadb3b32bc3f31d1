/** Works when: logits with Gumbel noise and a rising temperature add up to a score, and the newest stay beside the best. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gumbelNoise } from '@kvlab/ops';
import { lab, methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import type { Sequence } from '../../../kernel/src/engine/run/sequence.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { walk } from '../../engine/walk.ts';
import { groupOf, highest, productsOf, randomLayer, softmax, sum, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const tokens = 40;
const layer = randomLayer({ tokens, seed: 5 });
/** 0.6 of 40 entries stay, 0.3 of those because they are new. */
const [entries, recent] = [24, 7];

function noisySums(kvHead: number, seed: number, noise: number): number[] {
  const rows = groupOf(layer, kvHead).flatMap((head) =>
    upTo(tokens).map((query) =>
      softmax(productsOf(layer, head, query).map((v, key) => v + noise * gumbelNoise(seed, 0, head, query, key))),
    ),
  );
  return upTo(tokens).map((key) => sum(rows.map((row) => row[key] ?? 0)));
}

for (const [seed, noise] of [
  [1, 1],
  [2, 1],
  [1, 0],
] as const)
  test(`the best by sums of softmax with noise of strength ${noise} stay, with seed ${seed}`, async () => {
    const { kept } = await lab.apply(methods.keyformer({ noise }), { ...layer, seed });
    layer.keys.forEach((_, h) => {
      const best = highest(noisySums(h, seed, noise).slice(0, -recent), entries - recent);
      assert.deepEqual([...kept[h]!], [...best, ...upTo(recent).map((i) => tokens - recent + i)]);
    });
  });

test('noise lets entries stay that plain attention would have let go, others for other seeds', async () => {
  const kept = async (noise: number, seed: number) =>
    (await lab.apply(methods.keyformer({ noise }), { ...layer, seed })).kept;
  const [plain, first, second] = [await kept(0, 1), await kept(1, 1), await kept(1, 2)];
  const saved = first.flatMap((positions, h) => [...positions].filter((p) => !plain[h]!.includes(p)));
  assert.ok(saved.length > 0);
  assert.notDeepEqual(first, second);
});

const held = ({ layers }: Sequence) => layers.flatMap((l) => l.tables.map((_, h) => [...keptPositions(l, h)]));

test('the temperature rises while text is written and does not touch the prompt', async () => {
  const run = async (end: number) => {
    const seen: number[][][] = [];
    await walk(model, methods.keyformer({ keep: 0.5, temperature: [1, end], steps: 10 }), {
      steps: 40,
      onStep: (sequence) => seen.push(held(sequence)),
    });
    return seen;
  };
  const [flat, rising] = [await run(1), await run(40)];
  const prompt = flat.length - 40;
  assert.deepEqual(rising.slice(0, prompt), flat.slice(0, prompt));
  assert.notDeepEqual(rising.at(-1), flat.at(-1));
});

test('a generated token can become a key token: it may stay after it has left the window', async () => {
  const { sequence } = await walk(model, methods.keyformer({ keep: 0.8, noise: 0 }), { steps: 60 });
  const [prompt, now] = [sequence.promptLength, sequence.ids.length];
  const window = sequence.allocated!.get('recent')![0]!;
  const generated = held(sequence).flatMap((positions) => positions.filter((p) => p >= prompt && p < now - window));
  assert.ok(generated.length > 0);
});
