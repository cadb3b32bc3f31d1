/** Works when: heads that look back at repeats keep everything; the others keep sinks, a window and one entry that is the mean
 *  of what left. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { methods, operators, tensor } from '@kvlab/ops';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import { fittedFor } from '../../../kernel/src/engine/fit/fitted.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { repeatMass } from '../../../ops/fit/echo-heads.ts';
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

/** One head whose queries look only where `at` says. */
function looking(tokens: number, at: (query: number) => number) {
  const rows = upTo(tokens).map((q) => upTo(tokens).map((k) => Number(k === Math.max(0, at(q)))));
  return tensor([1, tokens, tokens], rows.flat());
}

test('looking at the earlier copy is an echo, looking behind it is induction', () => {
  const [period, tokens] = [8, 32];
  const [copy, behind] = [looking(tokens, (q) => q - period), looking(tokens, (q) => q - period + 1)];
  assert.deepEqual([repeatMass(copy, 0, period, 0), repeatMass(copy, 0, period, 1)], [1, 0]);
  assert.deepEqual([repeatMass(behind, 0, period, 0), repeatMass(behind, 0, period, 1)], [0, 1]);
});

test('the induction head of the fixture model is a retrieval head, and few others are', async () => {
  const reference = JSON.parse(readFileSync(new URL('../../../fixtures/tiny/reference.json', import.meta.url), 'utf8'));
  const induction = (reference.induction as number[][]).flat();
  const best = Math.floor(induction.indexOf(Math.max(...induction)) / model.config.group);
  const method = methods.razorAttention();
  const classes = (await fittedFor(model, method)).get(`${method.declaration.allocate.fits![0]!.name}/retrieval`)!.data;
  assert.equal(classes[best], 1);
  const retrieval = classes.reduce((a, b) => a + b, 0);
  assert.ok(retrieval >= 1 && retrieval <= 2, `${retrieval} of ${classes.length} heads`);
});

test('retrieval heads keep the prompt, the others sinks, window and one mean, and all that is written', async () => {
  const method = methods.razorAttention({ sinks: 2, recent: 5, share: 0 });
  const classes = [0, 1, 0, 0, 0, 1];
  const { sequence } = await walk(model, method, { prompt: 40, steps: 6, fitted: headClasses(method, model, classes) });
  sequence.layers
    .flatMap((layer) => layer.tables.map((table, h) => ({ layer, table, h })))
    .forEach(({ layer, table, h }, head) => {
      const kept = [...keptPositions(layer, h)];
      if (classes[head]) assert.deepEqual(kept, upTo(46));
      else assert.deepEqual(kept, [0, 1, ...upTo(11).map((i) => 35 + i)]);
      assert.equal(table.count, kept.length + (classes[head] ? 0 : 1));
    });
});

for (const when of [['prompt'], ['prompt', 'step']] as const)
  test(`after ${when.join(' and ')} attention is that of float64 loops with the mean of what left, counted`, async () => {
    const oracle = keptAttention(model);
    const method = methods.razorAttention({ sinks: 2, recent: 5, when });
    await walk(oracle.model, method, {
      steps: 12,
      fitted: headClasses(method, model, [0, 1, 0, 0, 0, 1]),
      observer: oracle.observe,
      onStep: oracle.settle,
    });
    assert.ok(oracle.outputApart < 1e-4, `${oracle.outputApart}`);
  });

test('with equal logits the mean of values 1, 2, 3 beside 10 gives 4 when counted, 6 when not', () => {
  const attend = (counted: boolean) => {
    const { weight, value } = operators.meanEntry.definition.reference(
      {
        keys: tensor([1, 3, 1], [0, 0, 0]),
        values: tensor([1, 3, 1], [1, 2, 3]),
        leaving: tensor([1, 3], [1, 1, 1]),
      },
      { counted },
      { step: 0, seen: 4, promptLength: 4, layer: 0, seed: 0, sizes: {} },
    );
    const mass = weight!.data[0]!;
    return (10 + mass * value!.data[0]!) / (1 + mass);
  };
  assert.deepEqual([attend(true), attend(false)], [4, 6]);
});

test('under the profile of the code the mean counts once', () => {
  assert.match(methods.razorAttention().declaration.compensate.title, /counted/);
  assert.doesNotMatch(methods.razorAttention({ profile: 'authors' }).declaration.compensate.title, /counted/);
});

test('the window is a fifth of a long prompt, and never less than its number of entries', () => {
  const recent = (promptLength: number, profile: 'paper' | 'authors' = 'paper') => {
    const method = methods.razorAttention({ profile });
    const fitted = headClasses(method, model, [1, 0, 0, 0, 0, 0]);
    const request = {
      layers: 2,
      kvHeads: 3,
      promptLength,
      bytesPerEntry: 512,
      zones: ['sinks', 'recent'],
      reserved: 0,
    };
    return [...method.declaration.allocate.allocate({ ...request, fitted }).get('recent')!].slice(0, 2);
  };
  assert.deepEqual([recent(500), recent(4000), recent(4000, 'authors')], [[0, 251], [0, 800], [0, 251]]); // biome-ignore format: one line
});
