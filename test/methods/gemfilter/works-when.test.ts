/** Works when: what the last query of an early layer looks at selects tokens of the prompt, and a second pass reads only those. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { beforePrompt } from '../../../kernel/src/engine/run/pass.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { highest, sum, upTo } from '../by-hand.ts';
import { projected } from '../projections.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());
const prompt = tinyIds.slice(0, 90);

/** Products of the last query summed over all heads, then the mean over neighbours. */
async function chosenByHand(layer: number, tokens: number, pool: number): Promise<number[]> {
  const { product } = await projected(model, prompt);
  const heads = upTo(model.config.queryHeads);
  const raw = prompt.map((_, key) => sum(heads.map((head) => product(layer, head, prompt.length - 1, key))));
  return highest(
    raw.map((_, key) => sum(upTo(pool).map((i) => raw[key + i - (pool - 1) / 2] ?? 0))),
    tokens,
  );
}

for (const [layer, tokens, pool] of [
  [2, 24, 5],
  [2, 24, 1],
  [1, 40, 5],
] as const)
  test(`layer ${layer} chooses the ${tokens} tokens that two plain loops choose, with a mean over ${pool}`, async () => {
    const { ids, guests } = await beforePrompt(model, methods.gemFilter({ layer, tokens, pool }), prompt);
    const chosen = await chosenByHand(layer - 1, tokens, pool);
    assert.deepEqual(
      ids,
      chosen.map((position) => prompt[position]!),
    );
    assert.deepEqual(guests, []);
  });

test('the second pass reads only the chosen tokens, in their order, at positions from 0', async () => {
  const method = methods.gemFilter({ layer: 2, tokens: 24 });
  const { ids } = await beforePrompt(model, method, prompt);
  const [gems, alone] = [createSequence(model, method), createSequence(model, methods.full())];
  const [after, expected] = [await feedPrompt(gems, ids), await feedPrompt(alone, ids)];
  assert.deepEqual([...after], [...expected]);
  for (const layer of gems.layers)
    for (const h of layer.tables.keys()) assert.deepEqual([...keptPositions(layer, h)], upTo(24));
});
