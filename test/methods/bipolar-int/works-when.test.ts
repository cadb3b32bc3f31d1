/** Works when: bipolar whole numbers of any width, and products of them as products of bit planes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { graphBuilder, hashedUniform, methods } from '@kvlab/ops';
import { ops } from 'kvlab';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { apart, walk } from '../../engine/walk.ts';
import { errorOf, writtenRows } from '../coded.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

for (const [bits, queryBits] of [
  [1, 3],
  [2, 2],
  [3, 4],
  [3, 8],
  [8, 8],
] as const)
  test(`products of ${queryBits} and ${bits} planes are the products of the whole numbers, exactly`, async () => {
    const odd = (seed: number, n: number, width: number) =>
      Array.from(
        { length: n },
        (_, i) => 2 * Math.floor(hashedUniform(seed, i, width, 0) * 2 ** width) - (2 ** width - 1),
      );
    // The largest number is there, so that the scale is one.
    const ends = (row: number[], width: number) => [2 ** width - 1, ...row.slice(1)];
    const x = Array.from({ length: 20 }, (_, t) => ends(odd(t, 32, bits), bits));
    const queries = Array.from({ length: 10 }, (_, q) => ends(odd(100 + q, 32, queryBits), queryBits));
    const { restored, products } = await ops.bitPlanes({ x: [x], queries: [queries] }, { bits, queryBits });
    assert.deepEqual([...restored.data], x.flat());
    const expected = queries.flatMap((q) => x.map((k) => k.reduce((sum, v, d) => sum + v * q[d]!, 0)));
    assert.deepEqual([...products.data], expected);
  });

test('an entry of zeros has scale zero and comes back as zeros', async () => {
  const zeros = [[new Array<number>(8).fill(0)]];
  const { restored } = await ops.bitPlanes({ x: zeros, queries: zeros }, { bits: 2 });
  assert.ok([...restored.data].every((v) => v === 0));
});

test('the engine multiplies with each plane of the keys itself: no row of keys is restored', () => {
  const encoding = methods.bipolarInt({ bits: 3, queryBits: 4 }).encodingOf('body', 'keys');
  const g = graphBuilder('planes', { D: 64 });
  const codes = Object.fromEntries(
    Object.entries(encoding.codes).map(([name, code]) => [
      name,
      g.input(name, code.type === 'u8' ? 'u8' : 'f32', [1, 'T', ...code.dims(64)]),
    ]),
  );
  encoding.dot!(g, g.input('queries', 'f32', [1, 'R', 'D']), codes);
  assert.equal(g.record().nodes.filter(({ type }) => type === 'MatMul').length, 3);
});

test('the wider the planes, the nearer the answer to that of the full cache', async () => {
  const full = await walk(model, methods.full());
  const from = async (bits: number) =>
    apart((await walk(model, methods.bipolarInt({ bits, queryBits: 10 }))).logits, full.logits);
  const [two, four, eight] = [await from(2), await from(4), await from(8)];
  assert.ok(four < 0.5 * two && eight < 0.2 * four, `${two}, ${four}, ${eight}`);
});

test('two more planes lose less than a third, of keys alone', async () => {
  const lost = async (bits: number) => {
    const written = await writtenRows(model, methods.bipolarInt({ bits }));
    assert.ok(written.every((rows) => rows.part === 'keys' && rows.bits === bits));
    return errorOf(written, 'keys');
  };
  const [two, four, six] = [await lost(2), await lost(4), await lost(6)];
  assert.ok(four < two / 3 && six < four / 3, `${two}, ${four}, ${six}`);
});
