/** lab.apply: a method on the tensors of one layer, checked by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashedUniform, lab, methods } from 'kvlab';

const random = (dims: number[], seed: number) => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => 2 * hashedUniform(seed, i, 0, 0) - 1),
});
const layer = { queries: random([6, 70, 64], 1), keys: random([3, 70, 64], 2), values: random([3, 70, 64], 3) };
const uniform = [[[1, 0, 0, 0], [1 / 2, 1 / 2, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0], [1 / 4, 1 / 4, 1 / 4, 1 / 4]]]; // biome-ignore format: one row a query
const ones = [[[1], [1], [1], [1]]];

test('H2O sums the attention that is given and keeps the newest and the heaviest', async () => {
  const { kept, scores } = await lab.apply(methods.h2o({ heavy: 1, recent: 1 }), {
    queries: ones,
    keys: ones,
    values: ones,
    attention: uniform,
  });
  assert.deepEqual(
    Array.from(scores[0]!, (s) => Math.round(s * 12)),
    [25, 13, 7, 3],
  );
  assert.deepEqual([...kept[0]!], [0, 3]);
});

test('rows that stay are read back as they were, and others are in no buffer', async () => {
  const { kept, keysRead, valuesRead, bytes, parts } = await lab.apply(
    methods.streamingLLM({ sinks: 4, recent: 16 }),
    layer,
  );
  assert.deepEqual([...kept[2]!], [0, 1, 2, 3, ...Array.from({ length: 16 }, (_, i) => 54 + i)]);
  kept[2]!.forEach((position, i) => {
    const from = (2 * 70 + position) * 64;
    assert.deepEqual(keysRead[2]!.slice(i * 64, (i + 1) * 64), layer.keys.data.slice(from, from + 64));
    assert.deepEqual(valuesRead[2]!.slice(i * 64, (i + 1) * 64), layer.values.data.slice(from, from + 64));
  });
  assert.equal(parts.payloadKeys + parts.payloadValues, 3 * 20 * 64 * 2 * 4);
  assert.ok(bytes > parts.payloadKeys + parts.payloadValues);
});

test('KIVI gives back packed rows within half a step of their group', async () => {
  const { keysRead, kept, parts } = await lab.apply(methods.kivi({ bits: 4, residual: 32 }), layer);
  assert.equal(kept[0]!.length, 70);
  assert.ok(parts.scales > 0);
  for (let t = 0; t < 64; t++)
    for (let d = 0; d < 64; d++) {
      const batch = Array.from({ length: 32 }, (_, i) => layer.keys.data[(32 * Math.floor(t / 32) + i) * 64 + d]!);
      const step = (Math.max(...batch) - Math.min(...batch)) / 15;
      assert.ok(Math.abs(keysRead[0]![t * 64 + d]! - layer.keys.data[t * 64 + d]!) <= step / 2 + 2e-3);
    }
});

test('tensors that do not fit are refused with both shapes', async () => {
  await assert.rejects(
    lab.apply(methods.h2o(), { ...layer, queries: random([5, 70, 64], 4) }),
    /apply: queries are \[5, 70, 64\] beside keys \[3, 70, 64\]; give \[Hq, T, D\] with Hq a multiple of Hkv/,
  );
  await assert.rejects(
    lab.apply(methods.h2o(), { ...layer, values: [[[Number.NaN]]] }),
    /apply: values is not a number/,
  );
  await assert.rejects(
    lab.apply(methods.h2o(), { ...layer, positions: [1, 2] }),
    /there are 2 positions for 70 tokens/,
  );
});
