/** Works when: block floating point with a static order of channels, so that outlying ones share a block. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockFloat, channelOrder, methods, pipe, reorder, tensor } from '@kvlab/ops';
import { errorOf, normal, opened, relativeRms, writtenRows } from '../coded.ts';

const { model, coder } = await opened();

const large = (channel: number) => channel % 16 === 8;
/** Four of 64 channels twelve times as large, evenly spread. */
const rows = normal(512 * 64, 51).map((v, i) => (large(i % 64) ? 12 * v : v));

for (const [block, plain, sorted] of [
  [64, 0.788, 0.788],
  [32, 0.668, 0.552],
  [16, 0.534, 0.375],
] as const)
  test(`blocks of ${block}: sorting the channels ${plain === sorted ? 'changes nothing' : 'spares the ordinary ones'}`, async () => {
    const fit = channelOrder('strength');
    const fitting = fit.start();
    fitting.see({ sample: 0, layer: 0, kvHeads: 1, tensors: { keys: tensor([1, 512, 64], rows) } });
    const { order, place } = await fitting.give(async () => {});
    const known = { order: Float32Array.from(order!.data), place: Float32Array.from(place!.data) };
    const floats = blockFloat({ mantissa: 4, block });
    const input = { H: 1, T: 512, D: 64, rows };
    const ordinary = (i: number) => !large(i % 64);
    const found = relativeRms(rows, (await coder.through(floats, input)).restored, ordinary);
    const better = relativeRms(
      rows,
      (await coder.through(pipe(reorder(fit), floats), input, known)).restored,
      ordinary,
    );
    assert.ok(Math.abs(found - plain) < 0.06, `plain ${found} for ${plain}`);
    assert.ok(Math.abs(better - sorted) < 0.06, `sorted ${better} for ${sorted}`);
  });

test('a block of zeros stays zero, and numbers far apart in size share the exponent of the largest', async () => {
  const block = Float32Array.from([1, 0.5, 0.25, -3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const { restored, codes } = await coder.through(blockFloat({ mantissa: 4, block: 8 }), {
    H: 1,
    T: 1,
    D: 16,
    rows: block,
  });
  assert.deepEqual([...restored], [1, 0.5, 0, -3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(codes.mantissas0!.length, 8);
  assert.equal(codes.exponents!.length, 2);
});

test('on the model, sorted channels lose no more than unsorted ones, on other text', async () => {
  const lost = async (sorted: boolean) =>
    errorOf(await writtenRows(model, methods.bfpOutliers({ block: 16, sorted })), 'keys');
  const [sorted, plain] = [await lost(true), await lost(false)];
  assert.ok(sorted < plain, `${sorted} sorted, ${plain} not`);
});
