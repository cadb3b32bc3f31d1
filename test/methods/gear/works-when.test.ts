/** Works when: uniform codes, a low-rank repair of what they lose, and outliers kept apart for each vector. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exceptOutliers, methods, plusLowRank, quant } from '@kvlab/ops';
import { ops } from 'kvlab';
import { errorOf, normal, opened, relativeRms, writtenRows } from '../coded.ts';

const { model, coder } = await opened();

const gauss = { H: 2, T: 128, D: 64, rows: normal(2 * 128 * 64, 4) };
const few = quant({ bits: 2, group: 64, per: 'token' });

test('each direction that is kept lowers the error of two bits, and none ever adds to it', async () => {
  let before = relativeRms(gauss.rows, (await coder.through(few, gauss)).restored);
  for (const rank of [1, 2, 4, 8]) {
    const { restored } = await coder.through(plusLowRank(few, { rank, block: 64 }), gauss);
    const now = relativeRms(gauss.rows, restored);
    assert.ok(now < before, `rank ${rank}: ${now} after ${before}`);
    before = now;
  }
});

test('an error of rank two vanishes with two directions', async () => {
  const factors = [7, 8, 9, 10].map((seed) => normal(64, seed)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [a, b, u, v] = factors;
  const error = Array.from({ length: 64 }, (_, t) => Array.from(a, (x, d) => u[t]! * x + v[t]! * b[d]!));
  const { repaired } = await ops.lowRank({ error: [error] }, { rank: 2, block: 64 });
  assert.ok(relativeRms(error.flat(), repaired.data as Float32Array) < 1e-4);
});

test('outliers come back as 16-bit numbers, and the rest on a finer grid', async () => {
  const rows = gauss.rows.map((v, i) => (i % 64 === 5 ? 40 : v));
  const spiked = { ...gauss, rows };
  const { restored } = await coder.through(exceptOutliers(few, { per: 'token', count: 1 }), spiked);
  rows.forEach((v, i) => {
    if (i % 64 === 5) assert.equal(restored[i], v);
  });
  const others = (i: number) => i % 64 !== 5;
  const plain = (await coder.through(few, spiked)).restored;
  assert.ok(relativeRms(rows, restored, others) < 0.3 * relativeRms(rows, plain, others));
});

test('outliers of key channels are found within each block of entries', async () => {
  const rows = normal(64 * 64, 11).map((v, i) => (Math.floor(i / 64) % 32 === 3 ? 10 * v : v));
  const codec = exceptOutliers(quant({ bits: 2, group: 32, per: 'channel' }), { per: 'channel', count: 1 });
  const { restored } = await coder.through(codec, { H: 1, T: 64, D: 64, rows });
  for (let block = 0; block < 2; block++)
    for (let d = 0; d < 64; d++) {
      const column = Array.from({ length: 32 }, (_, t) => (block * 32 + t) * 64 + d);
      const largest = column.reduce((a, b) => (rows[b]! > rows[a]! ? b : a));
      assert.ok(Math.abs(restored[largest]! - rows[largest]!) <= Math.abs(rows[largest]!) * 2 ** -11);
    }
});

test('on the model, outliers and repair each lower the error of keys and of values', async () => {
  const lost = async (o: { outliers: number; rank: number }) => {
    const written = await writtenRows(model, methods.gear({ block: 16, ...o }));
    return { keys: errorOf(written, 'keys'), values: errorOf(written, 'values') };
  };
  const plain = await lost({ outliers: 0, rank: 0 });
  const sparse = await lost({ outliers: 1, rank: 0 });
  const both = await lost({ outliers: 1, rank: 4 });
  for (const part of ['keys', 'values'] as const)
    assert.ok(both[part] < sparse[part] && sparse[part] < plain[part], JSON.stringify({ plain, sparse, both }));
});
