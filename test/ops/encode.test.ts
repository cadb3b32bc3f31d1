import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  exact,
  fromHalfBits,
  half,
  hashedUniform,
  methods,
  quant,
  roundHalfEven,
  tensor,
  toHalfBits,
} from '@kvlab/ops';
import { quantOperator } from '../../ops/encode/quant.ts';
import { testCodes } from './codes.ts';

testCodes('wasm');

type HalfView = DataView & { setFloat16(at: number, value: number): void; getFloat16(at: number): number };
const view = new DataView(new ArrayBuffer(2)) as HalfView;

test('all 65,536 halves read as the standard says, and write back to their bits', () => {
  for (let bits = 0; bits < 65536; bits++) {
    view.setUint16(0, bits);
    const expected = view.getFloat16(0);
    const found = fromHalfBits(bits);
    if (Number.isNaN(expected)) assert.ok(Number.isNaN(found) && (toHalfBits(found) & 0x7fff) > 0x7c00);
    else {
      assert.ok(Object.is(found, expected), `bits ${bits} read ${found}, not ${expected}`);
      assert.equal(toHalfBits(found), bits);
    }
  }
});

test('a number between two halves takes the nearer one, and the even one in the middle', () => {
  const numbers = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519.99, 65520, 2 ** -24, 2 ** -25, 1.5 * 2 ** -25, -0, 1e-30];
  for (let i = 0; i < 20000; i++) numbers.push((hashedUniform(i, 0, 0, 0) - 0.5) * 2 ** ((i % 48) - 28));
  for (const v of numbers) {
    const single = Math.fround(v);
    view.setFloat16(0, single);
    assert.equal(toHalfBits(single), view.getUint16(0), `${single} was written as ${toHalfBits(single)}`);
  }
});

test('rounding goes half to even', () => {
  assert.deepEqual([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, 2.6].map(roundHalfEven), [-2, -2, 0, 0, 2, 2, 2, 3]);
});

/** What groups of numbers come back as. */
function restored(bits: number, numbers: readonly number[]): number[] {
  const group = 8;
  const filled = Array.from({ length: group }, (_, i) => numbers[i] ?? numbers[0]!);
  const o = quantOperator({ bits, per: 'token', group, scales: 'exact' }).params;
  const now = { step: 0, seen: 1, promptLength: 1, layer: 0, seed: 0, sizes: { D: group } };
  const { restored: found } = quantOperator.definition.reference({ x: tensor([1, 1, group], filled) }, o, now);
  return [...found!.data].slice(0, numbers.length).map((v) => Math.round(v * 1e4) / 1e4);
}

test('the codes of hand-checked groups are those of the papers', () => {
  assert.deepEqual(restored(2, [0, 1, 6]), [0, 0, 6]);
  assert.deepEqual(restored(2, [0, 5, 6]), [0, 4, 6]);
  assert.deepEqual(restored(2, [0, 1, 2, 3, 10]), [0, 0, 3.3333, 3.3333, 10]);
  assert.deepEqual(restored(2, [0, 1, 2, 9]), [0, 0, 3, 9]);
  assert.deepEqual(restored(2, [3.25, 3.25, 3.25]), [3.25, 3.25, 3.25]);
});

test('b bits have 2^b - 1 steps, not b^2 - 1', () => {
  assert.deepEqual(restored(3, [0, 1, 2, 3, 4, 5, 6, 7]), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(restored(8, [0, 255, 128, 7]), [0, 255, 128, 7]);
});

test('KIVI holds 104 keys and 128 values of 1,000 exact, and claims 6,491,520 bytes of SmolLM2', () => {
  const kivi = methods.kivi({ bits: 2, group: 32, residual: 128 });
  const bytes = (part: 'keys' | 'values', held: number) =>
    kivi.encodingOf('body', part).claimedBytes(1000 - held, 64) +
    kivi.encodingOf('residual', part).claimedBytes(held, 64);
  assert.equal(30 * 3 * (bytes('keys', 1000 % 128) + bytes('values', 128)), 6_491_520);
});

test('a claim counts 16 bits for an exact number, and b + 32 / group bits for a code', () => {
  assert.equal(exact.claimedBytes(10, 64), 1280);
  assert.equal(half.claimedBytes(10, 64), 1280);
  assert.equal(quant({ bits: 2, group: 32 }).claimedBytes(1, 64), (64 * 3) / 8);
  assert.equal(quant({ bits: 3, group: 64 }).claimedBytes(8, 64), (8 * 64 * 3.5) / 8);
});

test('a group that does not fill bytes or the head is refused', () => {
  assert.throws(() => quant({ group: 12 }), /quant: group is 12; give a multiple of 8/);
  assert.throws(() => quant({ bits: 9 }), /quant: bits is 9; give a number from 1 to 8/);
  const wide = quant({ per: 'token', group: 128 });
  assert.throws(() => wide.codes.scale!.dims(64), /group 128 does not divide the head size 64/);
});
