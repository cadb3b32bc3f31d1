import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Method, methods } from '@kvlab/ops';
import { append, type CacheLayer, cacheShape, createLayer } from '../../kernel/src/engine/cache/layer.ts';
import { fullBytes, readLedger } from '../../kernel/src/engine/cache/ledger.ts';
import { createEncoder } from '../../kernel/src/engine/keep/encoder.ts';
import { allocateBudget, keepPass } from '../../kernel/src/engine/keep/pass.ts';
import { byteParts } from '../../kernel/src/engine/record/frame.ts';
import { openRuntime, type Runtime } from '../../kernel/src/engine/runtime/runtime.ts';
import { liveBytes } from './live-buffers.ts';
import { seeded } from './seeded.ts';

/** SmolLM2-135M. */
const shape = { layers: 30, kvHeads: 3, headSize: 64 };
const tokens = 1000;

/** A cache of that shape after a prompt of random rows. */
async function cacheAfterPrompt(runtime: Runtime, method: Method): Promise<CacheLayer[]> {
  const { layers, kvHeads, headSize } = shape;
  const positions = Int32Array.from({ length: tokens }, (_, i) => i);
  const rows = seeded(7).row(kvHeads * tokens * headSize);
  const cache = Array.from({ length: layers }, () => createLayer(cacheShape(method, kvHeads, headSize, [])));
  for (const layer of cache) append(layer, { keys: rows, values: rows }, positions);
  const allocated = allocateBudget(method, layers, kvHeads, headSize, tokens);
  const now = { step: 0, seen: tokens, promptLength: tokens, seed: 0 };
  await keepPass(method, cache, allocated, now, createEncoder(runtime));
  return cache;
}

const partsOf = (zones: Float64Array): Record<(typeof byteParts)[number], number> =>
  Object.fromEntries(
    byteParts.map((part, i) => [part, zones.filter((_, at) => at % byteParts.length === i).reduce((a, b) => a + b)]),
  ) as Record<(typeof byteParts)[number], number>;

describe('bytes of KIVI at 2 bits, group 32, residual 128, after 1,000 tokens of SmolLM2', () => {
  const method = methods.kivi();
  let runtime: Runtime;
  let cache: CacheLayer[];
  before(async () => {
    runtime = await openRuntime('wasm', { threads: 1 });
    cache = await cacheAfterPrompt(runtime, method);
  });
  after(() => runtime.release());
  const heads = shape.layers * shape.kvHeads;

  test('claimed bytes are those of the paper: 104 keys and 128 values of a head exact, the others packed', () => {
    assert.equal(readLedger(method, cache).claimed, 6_491_520);
    const table = cache[0]!.tables[0]!;
    const body = method.zones.indexOf('body');
    const packed = (part: 'keys' | 'values') =>
      table.zone[part].subarray(0, table.count).filter((z) => z === body).length;
    assert.deepEqual([packed('keys'), packed('values')], [896, 872]);
  });

  test('held bytes differ from claimed ones by precision, index and slack, each counted by itself', () => {
    const { held, claimed, zones } = readLedger(method, cache);
    const parts = partsOf(zones);
    assert.equal(held, liveBytes(cache.map(({ tables, stores, pages }) => [tables, stores, pages])));
    // Exact rows are f32 where the paper counts 16 bits.
    const precision = heads * (104 + 128) * shape.headSize * 2;
    assert.ok(Math.abs(held - claimed - precision - parts.index - parts.slack) < 1, JSON.stringify(parts));
    assert.equal(parts.payloadKeys, heads * (104 * 256 + 896 * 16));
    assert.equal(parts.payloadValues, heads * (128 * 256 + 872 * 16));
    // Scale and minimum are 16-bit numbers: one pair for 32 entries of a channel, or for 32 channels of an entry.
    assert.equal(parts.scales, heads * ((896 / 32) * 64 * 4 + 872 * 2 * 4));
    assert.ok(held < 0.35 * fullBytes(tokens, shape.layers, shape.kvHeads, shape.headSize));
  });

  test('with exact rows at 16 bits, held bytes without index and slack are the claimed ones', async () => {
    const halved = methods.kivi({ residualAs: 'half' });
    const { held, claimed, zones } = readLedger(halved, await cacheAfterPrompt(runtime, halved));
    const { index, slack } = partsOf(zones);
    assert.equal(claimed, 6_491_520);
    assert.ok(Math.abs(held - index - slack - claimed) < 1, `${held} - ${index} - ${slack}`);
    assert.ok(slack < 0.1 * held, `${slack} of ${held} bytes are slack`);
  });

  test('an evicting method holds less, in proportion to what it keeps', async () => {
    const full = methods.full();
    const window = methods.window({ recent: 100 });
    const everything = readLedger(full, await cacheAfterPrompt(runtime, full)).held;
    const { held, claimed, zones } = readLedger(window, await cacheAfterPrompt(runtime, window));
    const { payloadKeys, payloadValues } = partsOf(zones);
    assert.equal(payloadKeys + payloadValues, heads * 100 * 512);
    assert.equal(claimed, heads * 100 * 256);
    assert.ok(held < 0.15 * everything, `${held} of ${everything}`);
  });
});
