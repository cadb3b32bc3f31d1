/** Works when: fitted heads on query, key and value say how strongly a token will be looked at, and chunks of a prompt are
 *  evicted by it, with the newest safe until the last chunk. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fittedTensor, lab, type Method, methods, tensor } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import { fitsOf, fittedFor } from '../../../kernel/src/engine/fit/fitted.ts';
import { sampleText } from '../../../kernel/src/engine/fit/samples.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { mean, randomLayer, upTo } from '../by-hand.ts';
import { projected } from '../projections.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

/** Heads for one layer that read one channel of the key alone. */
function readingKeys(own: Method, kvHeads: number, size: number) {
  const [fit] = fitsOf(own);
  const zero = () => tensor([1, kvHeads, size]);
  const ofKey = zero();
  for (let h = 0; h < kvHeads; h++) ofKey.set(1, 0, h, 2);
  const weights = { ofQuery: zero(), ofKey, ofValue: zero(), bias: tensor([1, kvHeads]) };
  return new Map(Object.entries(weights).map(([name, value]) => [`${fit!.name}/${name}`, value]));
}

test('each token is scored by query, key and value of its own, and the best stay beside the newest', async () => {
  const layer = randomLayer({ tokens: 40 });
  const own = methods.locret({ entries: 12, local: 0.25 });
  const { kept, scores } = await lab.apply(own, { ...layer, fitted: readingKeys(own, 3, 8) });
  layer.keys.forEach((rows, h) => {
    const read = rows.map((row) => row[2]!);
    for (const [t, value] of read.entries()) assert.ok(Math.abs(scores[h]![t]! - value) < 1e-5);
    const best = upTo(37).sort((a, b) => read[b]! - read[a]!).slice(0, 9); // biome-ignore format: one line
    assert.deepEqual(
      [...kept[h]!],
      [...best, 37, 38, 39].sort((a, b) => a - b),
    );
  });
});

test('between chunks the stabilizers are safe, after the last chunk only the local tokens, and writing evicts nothing', async () => {
  const own = methods.locret({ entries: 20, stabilizers: 0.5, local: 0.1 });
  const sequence = createSequence(model, own, 0, await fittedFor(model, own));
  const newest: number[] = [];
  const onChunk = (fed: number): void => {
    const kept = [...keptPositions(sequence.layers[1]!, 0)];
    assert.equal(kept.length, Math.min(fed, 20));
    let run = 0;
    while (kept[kept.length - 1 - run] === fed - 1 - run) run++;
    newest.push(run);
  };
  await feedPrompt(sequence, tinyIds.slice(0, 96), { chunk: 24, onChunk });
  assert.ok(
    newest.slice(0, -1).every((run) => run >= 10),
    `${newest}`,
  );
  assert.ok(newest.at(-1)! >= 2 && newest.at(-1)! < 10, `${newest}`);
  for (const id of tinyIds.slice(96, 100)) await feedToken(sequence, id);
  assert.equal(sequence.layers[0]!.tables[1]!.count, 24);
});

test('what the heads predict goes with how strongly later queries look, on text that they did not see', async () => {
  // The fit reads the first two samples.
  const { ids } = sampleText(model, { samples: 'prose', tokens: 80, seed: 0 }, 2);
  const own = methods.locret({ keep: 1 });
  const sequence = createSequence(model, own, 0, await fittedFor(model, own));
  await feedPrompt(sequence, ids);
  const { product } = await projected(model, ids);
  const { layers, kvHeads, group } = model.config;
  const found = upTo(layers * kvHeads).map((head) => {
    const [l, h] = [Math.floor(head / kvHeads), head % kvHeads];
    const table = sequence.layers[l]!.tables[h]!;
    const pairs = upTo(60).map((t) => {
      const later = upTo(ids.length - t - 1).flatMap((i) =>
        upTo(group).map((m) => product(l, h * group + m, t + 1 + i, t)),
      );
      const entry = table.position.indexOf(t);
      return [table.columns.get('score')![entry]!, Math.max(...later)] as const;
    });
    return correlation(pairs);
  });
  assert.ok(mean(found) > 0.5, `correlations ${found.map((r) => r.toFixed(2))}`);
});

test('the fit gives a weight for each channel of query, key and value of each head', async () => {
  const own = methods.locret();
  const fitted = await fittedFor(model, own);
  const { layers, kvHeads, headSize } = model.config;
  for (const name of ['ofQuery', 'ofKey', 'ofValue'])
    assert.deepEqual(fittedTensor('test', fitted, fitsOf(own)[0]!, name).dims, [layers, kvHeads, headSize]);
});

function correlation(pairs: readonly (readonly [number, number])[]): number {
  const [a, b] = [0, 1].map((i) => pairs.map((pair) => pair[i]! - mean(pairs.map((p) => p[i]!)))) as [
    number[],
    number[],
  ];
  const dot = (x: number[], y: number[]) => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
