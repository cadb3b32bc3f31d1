/** Works when: asymmetric codes of 2, 3, 4 and 8 bits, keys per channel in groups of tokens, values per token, and a residual
 *  window in full precision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { methods, quant } from '@kvlab/ops';
import { walk } from '../../engine/walk.ts';
import { errorOf, normal, opened, relativeRms, writtenRows } from '../coded.ts';

const { model, coder } = await opened();

const shape = { H: 1, T: 512, D: 64 };
const gauss = { ...shape, rows: normal(512 * 64, 1) };

for (const [group, errors] of [
  [32, { 2: 0.393, 3: 0.168, 4: 0.078, 8: 0.0046 }],
  [64, { 2: 0.45, 3: 0.193, 4: 0.09, 8: 0.0053 }],
] as const)
  test(`normal numbers in groups of ${group} lose what the notes computed at 2, 3, 4 and 8 bits`, async () => {
    for (const [bits, expected] of Object.entries(errors)) {
      const { restored } = await coder.through(quant({ bits: Number(bits), group, per: 'token' }), gauss);
      const found = relativeRms(gauss.rows, restored);
      assert.ok(Math.abs(found - expected) < 0.05 * expected, `${bits} bits: ${found} for ${expected}`);
    }
  });

test('where keys have outlying channels, scales of channels lose far less than scales of tokens', async () => {
  const rows = gauss.rows.map((v, i) => (i % 64 < 3 ? v + (i % 2 ? 8 : -8) : v));
  const lost = async (per: 'channel' | 'token') =>
    relativeRms(rows, (await coder.through(quant({ bits: 2, group: 32, per }), { ...shape, rows })).restored);
  assert.ok((await lost('channel')) < 0.7 * (await lost('token')));
});

test('three bits are a plane of two and a plane of one: 24 bytes for 64 numbers, never one byte a code', async () => {
  const { codes } = await coder.through(quant({ bits: 3, group: 32, per: 'token' }), gauss);
  assert.equal(codes.codes0!.length + codes.codes1!.length, (512 * 64 * 3) / 8);
  assert.ok(codes.codes0 instanceof Uint8Array && codes.codes1 instanceof Uint8Array);
});

for (const bits of [2, 3, 4, 8])
  test(`with ${bits} bits keys leave the residual in whole groups, values one by one, and nothing is evicted`, async () => {
    const residual = 16;
    const method = methods.kivi({ bits, group: 8, residual });
    await walk(model, method, {
      onStep: ({ layers, ids }) => {
        if (ids.length < 27) return;
        for (const { tables } of layers)
          for (const { zone, count } of tables) {
            const body = method.zones.indexOf('body');
            const inBody = (part: 'keys' | 'values') => zone[part].subarray(0, count).filter((z) => z === body).length;
            assert.equal(count, ids.length);
            assert.equal(inBody('keys'), ids.length - (ids.length % residual));
            assert.equal(inBody('values'), ids.length - residual);
          }
      },
    });
  });

test('more bits lose less, of keys and of values', async () => {
  let before = { keys: Number.POSITIVE_INFINITY, values: Number.POSITIVE_INFINITY };
  for (const bits of [2, 3, 4, 8]) {
    const written = await writtenRows(model, methods.kivi({ bits, group: 16, residual: 16 }));
    const now = { keys: errorOf(written, 'keys'), values: errorOf(written, 'values') };
    assert.ok(now.keys < 0.6 * before.keys && now.values < 0.6 * before.values, JSON.stringify([bits, before, now]));
    before = now;
  }
});
