/** Works when: retrieval heads keep everything and streaming heads sinks and the newest; the head list comes from pass-keys
 *  and is cut at a share. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods, tensor } from '@kvlab/ops';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import { fittedFor } from '../../../kernel/src/engine/fit/fitted.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { peakBetween } from '../../../ops/fit/passkey-heads.ts';
import { keptAttention } from '../../engine/kept-attention.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { walk } from '../../engine/walk.ts';
import { upTo } from '../by-hand.ts';
import { headClasses } from '../head-classes.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const classes = [1, 0, 0, 0, 1, 1];
const [sinks, recent] = [3, 7];

for (const chunk of [1, 8, 30])
  test(`at every step streaming heads hold sinks and the newest, the others everything, in chunks of ${chunk}`, async () => {
    const method = methods.duoAttention({ sinks, recent });
    await walk(model, method, {
      prompt: 30,
      chunk,
      fitted: headClasses(method, model, classes),
      onStep: ({ layers, ids }) => {
        const streaming = upTo(ids.length).filter((p) => p < sinks || p >= ids.length - recent);
        layers
          .flatMap((layer) => layer.tables.map((_, h) => [...keptPositions(layer, h)]))
          .forEach((kept, head) => {
            assert.deepEqual(kept, classes[head] ? upTo(ids.length) : streaming);
          });
      },
    });
  });

test('heads of different length are attended as float64 loops attend them', async () => {
  const oracle = keptAttention(model);
  const method = methods.duoAttention({ sinks, recent });
  await walk(oracle.model, method, {
    steps: 15,
    fitted: headClasses(method, model, classes),
    observer: oracle.observe,
    onStep: oracle.settle,
  });
  assert.ok(oracle.outputApart < 1e-4, `${oracle.outputApart}`);
});

test('of what a streaming head would lose between its sinks and its window, the largest weight counts', () => {
  // The last query sees eight keys; two sinks and three of the newest leave three of them.
  const row = [0.3, 0.1, 0.05, 0.15, 0.05, 0.1, 0.05, 0.2];
  assert.equal(peakBetween(tensor([1, 1, 8], row), 0, 2, 3), 0.15);
  assert.equal(peakBetween(tensor([1, 1, 8], row), 0, 4, 4), 0);
});

for (const [retrieval, heads] of [
  [0.5, 3],
  [0.2, 2],
] as const)
  test(`a share of ${retrieval} makes ${heads} of six heads retrieval heads, found on pass-keys`, async () => {
    const method = methods.duoAttention({ retrieval, sinks: 16, recent: 64 });
    const found = (await fittedFor(model, method)).get(`${method.declaration.allocate.fits![0]!.name}/retrieval`)!;
    assert.deepEqual([...found.dims], [model.config.layers, model.config.kvHeads]);
    assert.equal(
      found.data.reduce((a, b) => a + b, 0),
      heads,
    );
  });

test('the heads of a smaller share are among those of a larger one', async () => {
  const classesOf = async (retrieval: number) => {
    const method = methods.duoAttention({ retrieval, sinks: 16, recent: 64 });
    return (await fittedFor(model, method)).get(`${method.declaration.allocate.fits![0]!.name}/retrieval`)!.data;
  };
  const [few, many] = [await classesOf(0.2), await classesOf(0.5)];
  assert.ok(few.every((is, head) => is <= many[head]!));
});
