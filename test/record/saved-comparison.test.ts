/** A saved comparison keeps the runs of its lanes beside it, within the room that a notebook gives, and says what it left out. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { methods } from '@kvlab/ops';
import { type Bundle, bundleMime, decodeFrame, type Frame } from 'kvlab/frame';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { fitComparison } from '../../kernel/src/engine/record/bundle/lanes.ts';
import { type Comparison, compare } from '../../kernel/src/engine/run/compare.ts';
import { readBundle } from '../../lab-extension/src/store/bundle.ts';
import { runOf } from '../../lab-extension/src/store/run.ts';
import { holdingAt } from '../../lab-extension/src/store/survival.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';
import { recordedSnapshot } from '../panels/replayed.ts';

let comparison: Comparison;
let saved: Bundle;
const size = (bundle: Bundle) => Buffer.byteLength(JSON.stringify(bundle));
before(async () => {
  const model = await loadTiny('wasm');
  let ids = 0;
  const stage = { newId: () => `run-${ids++}`, now: () => 0, publish: () => undefined };
  const options = { methods: [methods.h2o({ keep: 0.3 }), methods.streamingLLM({ recent: 20 })], maxTokens: 16 };
  comparison = await compare(model, tinyIds.slice(0, 60), options, stage);
  const { bundle } = await runBundle(comparison.snapshot(), comparison.runs());
  saved = JSON.parse(JSON.stringify(bundle[bundleMime])) as Bundle;
});

test('the run of each lane opens with what it kept, step by step', async () => {
  const { lanes, header, leftOut } = await readBundle(saved);
  assert.equal(leftOut, '');
  assert.deepEqual(
    lanes.map(({ header: { info } }) => [info.method.name, info.laneOf!.lane, info.laneOf!.comparison]),
    ['full', 'H2O', 'StreamingLLM'].map((name, lane) => [name, lane, header.run]),
  );
  for (const [i, frame] of comparison.runs().entries()) {
    const [before, after] = [runOf(frame.header, frame.buffer), runOf(lanes[i]!.header, lanes[i]!.buffer)];
    for (let step = 0; step <= before.step; step++)
      for (let position = 0; position < before.texts.length; position++)
        assert.equal(holdingAt(after.survival, position, step), holdingAt(before.survival, position, step));
  }
  const h2o = runOf(lanes[1]!.header, lanes[1]!.buffer);
  assert.ok(h2o.log.get('event.step')!.rows > 50);
});

test('with less room runs lose detail and then are missing, and both is said', async () => {
  const whole = size(saved);
  for (const limit of [whole + 2048, Math.round(whole * 0.6), 9000]) {
    const { bundle, leftOut } = await fitComparison(comparison.snapshot(), comparison.runs(), limit);
    assert.ok(size(bundle!) <= limit, `${size(bundle!)} of ${limit}`);
    const { lanes = [] } = bundle!;
    const missing = comparison.runs().length - lanes.length;
    assert.equal(/the runs of [\w ]+$/.test(leftOut), missing > 0, leftOut);
    if (limit < whole) assert.ok(missing > 0 || lanes.some((lane) => lane.leftOut !== ''), 'nothing was said');
    await readBundle(JSON.parse(JSON.stringify(bundle)));
  }
});

/** A recorded run of the real model as a lane of a recorded comparison. */
function laneOf(name: 'h2o' | 'kivi', comparison: Frame, lane: number): Frame {
  const { header, buffer } = recordedSnapshot(name);
  const laneOf = { comparison: comparison.header.run, lane };
  return {
    header: { ...header, run: `${name}-${lane}`, info: { ...header.info!, run: `${name}-${lane}`, laneOf } },
    buffer,
  };
}

test('four runs of 30 layers keep their evictions in the 256 KiB of a comparison', async () => {
  const whole = recordedSnapshot('comparison');
  const runs = [laneOf('h2o', whole, 1), laneOf('h2o', whole, 2), laneOf('kivi', whole, 3), laneOf('h2o', whole, 4)];
  const { bundle } = await runBundle(whole, runs);
  const made = bundle[bundleMime] as Bundle;
  assert.ok(size(made) <= 256 * 1024, `${size(made)} bytes`);
  const { lanes } = await readBundle(JSON.parse(JSON.stringify(made)));
  assert.equal(lanes.length, 4);
  for (const { header, buffer } of lanes) {
    const run = runOf(header, buffer);
    if (header.info.method.name === 'H2O') assert.ok(run.log.has('event.step'), 'evictions are left out');
    assert.ok('bytes.held' in decodeFrame(header, buffer));
  }
});

const hostile: readonly [what: string, change: (bundle: Bundle) => unknown, says: RegExp][] = [
  ['lanes that are no list', (b) => ({ ...b, lanes: { length: 3 } }), /lanes is .*give a list|a list of at most 16/],
  ['more lanes than a comparison has', (b) => ({ ...b, lanes: Array.from({ length: 17 }, () => b.lanes![0]) }), /at most 16/], // biome-ignore format: one line
  ['a run of another comparison', (b) => ({ ...b, lanes: [{ ...b.lanes![0]!, header: { ...b.lanes![0]!.header, info: { ...b.lanes![0]!.header.info!, laneOf: { comparison: 'x', lane: 0 } } } }] }), /a run of this comparison/], // biome-ignore format: one line
  ['a lane with a damaged buffer', (b) => ({ ...b, lanes: [{ ...b.lanes![1]!, base64: 'AAAA' }] }), /its buffer is damaged/], // biome-ignore format: one line
];
for (const [what, change, says] of hostile)
  test(`${what} is refused`, async () => {
    await assert.rejects(readBundle(change(saved)), says);
  });
