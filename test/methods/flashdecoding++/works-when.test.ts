/** Works when: parts of a row are summed around one constant without waiting for each other, and rows that leave its range are
 *  recomputed: the way back that ports leave out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fittedTensor, methods, scoreRange } from '@kvlab/ops';
import { lab, ops } from 'kvlab';
import { fittedFor } from '../../../kernel/src/engine/fit/fitted.ts';
import { sampleText } from '../../../kernel/src/engine/fit/samples.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { apart, walk } from '../../engine/walk.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const values = [[[1], [2], [3]]];
const expected = (scores: number[]): number => {
  const top = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - top));
  return weights.reduce((sum, w, i) => sum + w * (i + 1), 0) / weights.reduce((a, b) => a + b);
};

for (const phi of [0, 5, 50])
  test(`weights do not depend on the constant: ${phi}`, async () => {
    const { output } = await ops.unifiedMax({ logits: [[[5, 4, 1]]], values, phi: [[[phi]]] }, { reach: 80 });
    assert.ok(Math.abs(Number(output.data[0]) - expected([5, 4, 1])) < 1e-5);
  });

for (const [what, scores, phi] of [
  ['far above the constant (a port overflows to infinity)', [200, 199, 1], 5],
  ['far below it (a port underflows to zero)', [-100, -101, -105], 5],
] as const)
  test(`logits ${what} are recomputed and counted`, async () => {
    const { output, recomputed } = await ops.unifiedMax({ logits: [[[...scores]]], values, phi: [[[phi]]] });
    assert.equal(recomputed.data[0], 1);
    assert.ok(Math.abs(Number(output.data[0]) - expected([...scores])) < 1e-4);
  });

test('no row is recomputed exactly where the largest logit of each lies in the range', async () => {
  for (const [top, count] of [
    [15.9, 0],
    [16.1, 1],
    [-5.9, 0],
    [-6.1, 1],
  ] as const) {
    const { recomputed } = await ops.unifiedMax(
      { logits: [[[top, top - 30, top - 1]]], values, phi: [[[5]]] },
      { reach: 11 },
    );
    assert.equal(recomputed.data[0], count, `largest logit ${top}`);
  }
});

test('the model says the same as with the full cache, however many rows are recomputed', async () => {
  const full = await walk(model, methods.full());
  for (const o of [{ reach: 11 }, { reach: 1 }, { phi: 60, reach: 5 }, { tile: 5 }]) {
    const found = await walk(model, methods.flashDecodingPlusPlus(o));
    assert.ok(apart(found.logits, full.logits) < 1e-5, JSON.stringify(o));
  }
});

/** Share of rows that are recomputed on text that the fit has not read. */
async function recomputed(phi: 'fitted' | number, reach: number): Promise<number> {
  const method = methods.flashDecodingPlusPlus({ phi, reach });
  const sequence = createSequence(model, method, 0, await fittedFor(model, method));
  await feedPrompt(sequence, sampleText(model, { samples: 'prose', tokens: 200, seed: 99 }, 0).ids);
  const { sum, rows } = sequence.measures.get('recomputed')!;
  assert.equal(rows, 2 * model.config.queryHeads * 200);
  return sum / rows;
}

test('a run tells how many of its rows were recomputed', async () => {
  const method = methods.flashDecodingPlusPlus({ phi: 100, reach: 5 });
  const run = await lab.generate(model, tinyIds.slice(0, 20), { method, maxTokens: 4 });
  const rows = 2 * model.config.queryHeads * (20 + run.ids.length);
  const { sum, ...counted } = run.measures.get('recomputed')!;
  assert.ok(counted.rows >= rows - 2 * model.config.queryHeads && counted.rows <= rows);
  assert.equal(sum, counted.rows, 'around 100 every row is out of reach');
});

test('fitted constants recompute fewer rows than zero, at every reach', async () => {
  for (const reach of [1, 2, 4]) {
    const [fitted, zero] = [await recomputed('fitted', reach), await recomputed(0, reach)];
    assert.ok(fitted < zero, `reach ${reach}: ${fitted} fitted, ${zero} around zero`);
  }
});

test('the constant of each head lies in the middle of its largest logits', async () => {
  const fit = scoreRange();
  const fitted = await fittedFor(model, methods.flashDecodingPlusPlus());
  const of = (name: string) => fittedTensor('test', fitted, fit, name);
  assert.deepEqual(of('phi').dims, [2, model.config.queryHeads]);
  of('phi').data.forEach((phi, i) => {
    const [low, high] = [of('low').data[i]!, of('high').data[i]!];
    assert.ok(low < high && Math.abs(phi - (low + high) / 2) < 1e-5);
  });
});
