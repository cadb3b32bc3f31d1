/** Works when: SpecPC chooses tokens of the prompt by the attention of a draft model's last queries, with their neighbours. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from 'kvlab';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { beforePrompt } from '../../../kernel/src/engine/run/pass.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { softmax, upTo } from '../by-hand.ts';
import { projected } from '../projections.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());
const prompt = tinyIds.slice(0, 90);
const [window, pool] = [10, 5];

/** The largest weighted share that any of the last queries gives each token, in any head of the layers, then of neighbours. */
async function scoresByHand(from: number, layers: number): Promise<number[]> {
  const { product } = await projected(model, prompt);
  const best = prompt.map(() => 0);
  for (let layer = from - 1; layer < layers; layer++)
    for (const head of upTo(model.config.queryHeads))
      for (const i of upTo(window)) {
        const query = prompt.length - window + i;
        softmax(upTo(query + 1).map((key) => product(layer, head, query, key))).forEach((share, key) => {
          best[key] = Math.max(best[key]!, (share * i) / (window - 1));
        });
      }
  return best.map((_, key) => Math.max(...upTo(pool).map((i) => best[key + i - (pool - 1) / 2] ?? 0)));
}

/** Best tokens in turn, each followed by the tokens before and after it, until there are enough. */
function choose(scores: readonly number[], tokens: number, neighbours: number): number[] {
  const chosen = new Set<number>();
  for (const token of upTo(scores.length).sort((a, b) => scores[b]! - scores[a]! || a - b)) {
    const near = [token];
    for (let step = 1; step <= neighbours / 2; step++) near.push(token - step, token + step);
    for (const t of near) if (t >= 0 && t < scores.length && chosen.size < tokens) chosen.add(t);
  }
  return [...chosen].sort((a, b) => a - b);
}

for (const [from, layers, tokens, neighbours] of [
  [1, 2, 30, 4],
  [1, 2, 30, 0],
  [2, 2, 17, 2],
  [1, 1, 40, 6],
] as const)
  test(`layers ${from} to ${layers} choose ${tokens} tokens with ${neighbours} neighbours as plain loops do`, async () => {
    const method = methods.specPC({ from, layers, tokens, neighbours, window, pool });
    const { ids, guests } = await beforePrompt(model, method, prompt);
    const chosen = choose(await scoresByHand(from, layers), tokens, neighbours);
    assert.deepEqual(
      ids,
      chosen.map((position) => prompt[position]!),
    );
    assert.deepEqual(guests, []);
  });

test('a share of the prompt is its total, and 1 leaves the prompt as it is', async () => {
  const small = { from: 1, layers: 2, window, pool };
  assert.equal((await beforePrompt(model, methods.specPC({ ...small, keep: 0.3 }), prompt)).ids.length, 27);
  assert.deepEqual((await beforePrompt(model, methods.specPC({ ...small, keep: 1 }), prompt)).ids, prompt);
});

test('layers that the model does not have are refused', async () => {
  await assert.rejects(
    beforePrompt(model, methods.specPC({ tokens: 20 }), prompt),
    /12 layers were asked for; the model has 1 to 2/,
  );
  await assert.rejects(
    beforePrompt(model, methods.specPC({ tokens: 20, layers: 2, from: 3 }), prompt),
    /scores from layer 3 of 2 were asked for; give 1 to 2/,
  );
});
