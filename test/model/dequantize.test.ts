import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { blockForms, blockNames } from '../../kernel/src/engine/model/blocks.ts';
import { dequantize } from '../../kernel/src/engine/model/dequantize.ts';

const path = new URL('../../fixtures/dequantize/vectors.json', import.meta.url);
const vectors: Record<string, { blocks: string; values: string }> = JSON.parse(readFileSync(path, 'utf8'));
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const formOf = (name: string) => [...blockForms.values()].find((form) => form.name === name)!;

for (const name of blockNames)
  test(`${name} gives the values of the reference reader to the last bit`, () => {
    const { blocks, values } = vectors[name]!;
    const expected = new Float32Array(bytesOf(values).buffer);
    const found = new Float32Array(expected.length);
    dequantize(formOf(name), bytesOf(blocks), found);
    assert.deepEqual(found, expected);
  });

test('half-precision bits of all classes become their numbers', () => {
  const bits = Uint16Array.of(0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00);
  const found = new Float32Array(bits.length);
  dequantize(formOf('F16'), new Uint8Array(bits.buffer), found);
  const smallest = 2 ** -24;
  const expected = [0, -0, smallest, 1023 * smallest, 2 ** -14, 1, -2, 65504, Infinity, -Infinity];
  assert.deepEqual([...found], expected);
});

test('a count of bytes that does not fit the asked count of elements is refused with both', () => {
  assert.throws(
    () => dequantize(formOf('Q4_0'), new Uint8Array(36), new Float32Array(32)),
    /36 bytes are 64 elements, and 32/,
  );
  assert.throws(() => dequantize(formOf('Q4_0'), new Uint8Array(17), new Float32Array(32)), RangeError);
});
