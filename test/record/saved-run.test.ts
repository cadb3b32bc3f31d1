/** The lab's own reader opens the bundle that the kernel writes, and finds in it what the run recorded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { lab } from 'kvlab';
import { type Bundle, bundleMime, decodeFrame, type Frame, mergeFrames } from 'kvlab/frame';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { replayHolding } from '../../kernel/src/engine/record/bundle/survival.ts';
import { readBundle } from '../../lab-extension/src/store/bundle.ts';
import { logColumn, runOf } from '../../lab-extension/src/store/run.ts';
import { holdingAt } from '../../lab-extension/src/store/survival.ts';
import { recordedRun } from '../panels/recorded-run.ts';

async function reopened(snapshot: Frame) {
  const { bundle } = await runBundle(snapshot);
  const { header, buffer, leftOut } = await readBundle(JSON.parse(JSON.stringify(bundle[bundleMime])));
  return { run: runOf(header, buffer), leftOut };
}

test('evictions of a run with 90 heads and 250 tokens reopen as they happened, token by token', async () => {
  const snapshot = [...recordedRun({ method: 'h2o', steps: 100 })].reduce(mergeFrames);
  const { run, leftOut } = await reopened(snapshot);
  assert.doesNotMatch(leftOut, /(^|, )evictions/);
  const columns = decodeFrame(snapshot.header, snapshot.buffer);
  let compared = 0;
  replayHolding(columns, snapshot.header.info!, (step, seen, holding) => {
    const shown = Array.from({ length: seen }, (_, position) => holdingAt(run.survival, position, step));
    assert.deepEqual(shown, [...holding.subarray(0, seen)], `step ${step}`);
    compared++;
  });
  assert.equal(compared, 101);
});

test('bytes and sinks of the last step are in every reopened run', async () => {
  for (const method of ['full', 'kivi'] as const) {
    const snapshot = [...recordedRun({ method, steps: 40 })].reduce(mergeFrames);
    const { run } = await reopened(snapshot);
    const before = decodeFrame(snapshot.header, snapshot.buffer);
    for (const name of ['bytes.held', 'sink.mass'] as const) {
      const column = logColumn(run, name)!;
      const size = before[name]!.data.length / before[name]!.shape[0]!;
      const after = column.data.subarray((column.rows - 1) * size, column.rows * size);
      assert.deepEqual([...after], [...before[name]!.data.subarray(-size)], `${method} ${name}`);
    }
  }
});

test('a bundle that unpacks without end, or not at all, is refused before it fills the memory', async () => {
  const { bundle } = await runBundle(
    [...recordedRun({ steps: 4, layers: 2, queryHeads: 4, kvHeads: 2 })].reduce(mergeFrames),
  );
  const sound = bundle[bundleMime] as Bundle;
  const zeros = deflateSync(Buffer.alloc(64 * 2 ** 20)).toString('base64');
  await assert.rejects(readBundle({ ...sound, base64: zeros }), /unpacks to more than 16 MiB/);
  await assert.rejects(readBundle({ ...sound, base64: 'AAAA' }), /its buffer is damaged/);
  await assert.rejects(readBundle({ ...sound, packed: 'zip' }), /the packing of its buffer is zip/);
});

test('a run that comes with kvlab opens by its name, says that it is recorded, and an unknown name is answered with those that there are', async () => {
  const { info, table } = await lab.open('recorded:quest');
  assert.deepEqual([info.method.name, info.recorded], ['Quest', true]);
  const reads = table('reads').objects() as {
    entries_read: number;
    entries_held: number;
    mass: number;
    layer: number;
  }[];
  assert.ok(reads.every((row) => row.entries_read <= row.entries_held && !(row.mass > 1 + 1e-6)));
  assert.ok(reads.some((row) => row.layer > 1 && row.entries_read < row.entries_held));
  const dense = table('dense').objects() as { step: number; layer: number; query_head: number; share: number }[];
  const sums = new Map<string, number>();
  for (const { step, layer, query_head: head, share } of dense) {
    const row = `${step} ${layer} ${head}`;
    sums.set(row, (sums.get(row) ?? 0) + share);
  }
  assert.equal(sums.size, 2 * 80, 'two heads in the prompt and 79 steps');
  for (const [row, sum] of sums) assert.ok(Math.abs(sum - 1) < 2e-3, `${row}: ${sum}`);
  const tiers = table('tiers').objects() as { tier: string; bytes_held: number }[];
  assert.deepEqual([...new Set(tiers.map(({ tier }) => tier))], ['device', 'host', 'disk']);
  assert.ok(tiers.every(({ tier, bytes_held }) => (tier === 'device' ? bytes_held > 0 : bytes_held === 0)));
  await assert.rejects(
    lab.open('recorded:none'),
    /there is no recorded run none; there is .*comparison, h2o, kivi, quest/,
  );
});

test('every recorded run and comparison fits into a notebook with 256 KiB, and the lab opens what was written', async () => {
  for (const name of ['h2o', 'kivi', 'quest', 'comparison', 'tree']) {
    const opened = await lab.open(`recorded:${name}`);
    const { bundle } = await runBundle(opened.snapshot());
    const saved = JSON.stringify(bundle[bundleMime]);
    assert.ok(Buffer.byteLength(saved) <= 256 * 1024, `${name}: ${Buffer.byteLength(saved)} bytes`);
    const { header, buffer } = await readBundle(JSON.parse(saved));
    const run = runOf(header, buffer);
    assert.equal(run.step, opened.snapshot().header.step);
    assert.deepEqual(run.info.comparison, opened.info.comparison);
    if (name === 'comparison') assert.ok(run.log.has('compare.kl') && run.log.has('hold.heads'));
    if (name === 'quest') assert.ok(run.log.has('fetch.page') && run.latest.has('page.from'));
  }
});
