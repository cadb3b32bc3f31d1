/** The recorded order of the heaviest tokens, against the scores that the same frames carry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { methods } from '@kvlab/ops';
import { decodeFrame, type Frame, rankCount } from '../../kernel/src/engine/record/frame.ts';
import { leadingPositions, rankEvery } from '../../kernel/src/engine/record/rank-record.ts';
import { generate } from '../../kernel/src/engine/run/run.ts';
import { seeded } from '../engine/seeded.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';

const sorted = (row: Float32Array) =>
  [...row.keys()].filter((p) => row[p]! > 0).sort((a, b) => row[b]! - row[a]! || a - b);

test('the leading positions are the first of all positions by score, the earlier of equals first', () => {
  const random = seeded(5);
  for (const [heads, tokens] of [
    [3, 200],
    [2, 24],
    [2, 7],
  ] as const) {
    const scores = Float32Array.from({ length: heads * tokens }, () => random.whole(0, 40) / 8);
    const leading = leadingPositions(scores, heads);
    for (let head = 0; head < heads; head++) {
      const all = sorted(scores.subarray(head * tokens, (head + 1) * tokens)).slice(0, rankCount);
      const wanted = [...all, ...new Array<number>(rankCount - all.length).fill(-1)];
      assert.deepEqual([...leading.subarray(head * rankCount, (head + 1) * rankCount)], wanted);
    }
  }
});

test('every sixteenth step brings the order of the scores that its frame carries', async () => {
  const model = await loadTiny('wasm');
  try {
    const frames: Frame[] = [];
    const stage = { publish: (frame: Frame) => frames.push(frame), newId: () => 'run', now: () => performance.now() };
    const options = { method: methods.h2o({ entries: 12 }), maxTokens: 2 * rankEvery + 3 };
    await generate(model, tinyIds.slice(0, 40), options, stage);
    const { layers, kvHeads } = model.config;
    const steps: number[] = [];
    for (const { header, buffer } of frames) {
      const columns = decodeFrame(header, buffer);
      const [order, scores] = [columns['rank.position'], columns['heavy.score']];
      if (!order) continue;
      steps.push(...columns['rank.step']!.data);
      assert.deepEqual(order.shape, [1, layers, kvHeads, rankCount]);
      assert.ok(scores, `the frame of step ${header.step} carries scores`);
      assert.deepEqual([...order.data], [...leadingPositions(scores.data as Float32Array, layers * kvHeads)]);
    }
    assert.deepEqual(steps, [0, rankEvery, 2 * rankEvery]);
  } finally {
    await model.release();
  }
});
