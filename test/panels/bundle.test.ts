/** Saved runs are data from anybody: sound ones are read, all others are refused with what is wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bundle, bundleMime, mergeFrames } from 'kvlab/frame';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { readBundle } from '../../lab-extension/src/store/bundle.ts';
import { createStore, receiveFrame, shownRun } from '../../lab-extension/src/store/store.ts';
import { bundleOfMarkup, hostileBundles, soundBundle } from './hostile-bundles.ts';
import { bundleOf } from './packed-frames.ts';
import { recordedRun } from './recorded-run.ts';
import { recordedSnapshot } from './replayed.ts';

test('a bundle gives back the run that was saved', async () => {
  const small = { layers: 2, queryHeads: 4, kvHeads: 2, steps: 8 };
  const { header, buffer } = await readBundle(JSON.parse(JSON.stringify(bundleOf(small))));
  const store = createStore();
  receiveFrame(store, header, buffer);
  const whole = [...recordedRun(small)].reduce(mergeFrames);
  assert.deepEqual(shownRun(store)!.texts, whole.header.texts);
  assert.equal(buffer.byteLength, whole.buffer.byteLength);
});

for (const name of ['h2o', 'kivi', 'comparison', 'quest', 'tree'] as const)
  test(`the bundle that the kernel makes of ${name} is read, and nothing of its header is lost`, async () => {
    const { bundle } = await runBundle(recordedSnapshot(name));
    const saved = JSON.parse(JSON.stringify(bundle[bundleMime])) as Bundle;
    const { header } = await readBundle(saved);
    assert.deepEqual(JSON.parse(JSON.stringify(header)), saved.header);
  });

for (const [what, bundle, message] of hostileBundles)
  test(`a bundle with ${what} is refused`, async () => {
    await assert.rejects(readBundle(bundle), (error: Error) => {
      assert.match(error.message, message);
      assert.match(error.message, /^bundle: .*; run the cell again to make a new one$/);
      assert.ok(error.message.length < 400, 'the message is short');
      return true;
    });
  });

test('names of the prototype and unknown fields and columns do not come in', async () => {
  const text = JSON.stringify(soundBundle)
    .replace('"header":{', '"header":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},')
    .replace('"columns":[', '"columns":[{"name":"__proto__","lane":"log","type":"u8","shape":[1],"offset":0},');
  const { header } = await readBundle(JSON.parse(text));
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  assert.equal(Object.hasOwn(header, 'constructor'), false);
  assert.equal(Object.getPrototypeOf(header), Object.prototype);
  assert.deepEqual(header.columns, soundBundle.header.columns);
});

test('markup in words is read as words', async () => {
  const { header } = await readBundle(JSON.parse(JSON.stringify(bundleOfMarkup)));
  assert.deepEqual(header.texts, bundleOfMarkup.header.texts);
});

test('whatever one value of a bundle is replaced by, it is refused or shown, and neither takes long', async () => {
  const random = seeded(7);
  const odd = [null, -1, 0, 0.5, 255, 2 ** 31, 1e308, '', '<b>', 'x'.repeat(5000), [], {}, [[]], true, undefined];
  let refused = 0;
  for (let round = 0; round < 400; round++) {
    const bundle = JSON.parse(JSON.stringify(soundBundle)) as Record<string, unknown>;
    replaceOne(bundle, random, odd[Math.floor(random() * odd.length)]);
    const start = performance.now();
    try {
      const { header, buffer } = await readBundle(bundle);
      receiveFrame(createStore(), header, buffer);
    } catch (error) {
      refused += 1;
      assert.match((error as Error).message, /^bundle: /);
    }
    assert.ok(performance.now() - start < 5000);
  }
  assert.ok(refused > 100, `${refused} were refused`);
});

/** Walks down to a random leaf, or stops on the way, and replaces what is there. */
function replaceOne(value: Record<string, unknown>, random: () => number, by: unknown): void {
  const keys = Object.keys(value);
  const key = keys[Math.floor(random() * keys.length)]!;
  const inner = value[key];
  if (typeof inner === 'object' && inner !== null && Object.keys(inner).length && random() < 0.9)
    replaceOne(inner as Record<string, unknown>, random, by);
  else value[key] = by;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
