/** What a page knows of a run, from frames that come one by one, merged, late or twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFrame, type Frame, mergeFrames } from 'kvlab/frame';
import { type Run, seenAtStep } from '../../lab-extension/src/store/run.ts';
import {
  clearSelection,
  createStore,
  endRuns,
  goLive,
  lockSelection,
  pinStep,
  previewSelection,
  receiveFrame,
  type Store,
  selected,
  shownRun,
  shownStep,
  showRun,
} from '../../lab-extension/src/store/store.ts';
import { entriesAt, headHistory, holdingAt } from '../../lab-extension/src/store/survival.ts';
import { type RecordedOptions, recordedRun } from './recorded-run.ts';

const small: RecordedOptions = { layers: 4, queryHeads: 6, kvHeads: 2, steps: 40 };

function storeOf(frames: Iterable<Frame>): { store: Store; run: Run } {
  const store = createStore();
  for (const { header, buffer } of frames) receiveFrame(store, header, buffer);
  return { store, run: shownRun(store)! };
}

/** Everything that a run holds, in a form that can be compared. */
function contents(run: Run): object {
  const log = [...run.log].map(([name, { rows, rowShape, data }]) => {
    const length = rows * rowShape.reduce((a, b) => a * b, 1);
    return [name, rows, rowShape, Array.from(data.subarray(0, length))];
  });
  const latest = [...run.latest].map(([name, { shape, data }]) => [name, shape, Array.from(data)]);
  return { log, latest, texts: run.texts, step: run.step, holding: Array.from(run.survival.holding) };
}

test('frames one by one and the same frames merged give the same run', () => {
  const frames = [...recordedRun(small)];
  const { run } = storeOf(frames);
  for (const every of [2, 5, 41]) {
    const merged: Frame[] = [];
    for (let i = 0; i < frames.length; i += every) merged.push(frames.slice(i, i + every).reduce(mergeFrames));
    assert.deepEqual(contents(storeOf(merged).run), contents(run), `merged by ${every}`);
  }
});

test('what survives is the same for each step, whether frames came one by one or all at once', () => {
  const frames = [...recordedRun(small)];
  const { run } = storeOf(frames);
  const { run: late } = storeOf([frames.reduce(mergeFrames)]);
  for (let step = 0; step <= 40; step++)
    for (let position = 0; position < seenAtStep(run, step); position++)
      assert.equal(
        holdingAt(late.survival, position, step),
        holdingAt(run.survival, position, step),
        `${position} at ${step}`,
      );
});

test('the state rebuilt from events is the state that the kernel sends', () => {
  for (const method of ['full', 'h2o', 'streamingLLM', 'kivi'] as const) {
    const frames = [...recordedRun({ ...small, method })];
    const { run } = storeOf(frames);
    const last = decodeFrame(frames.at(-1)!.header, frames.at(-1)!.buffer);
    const tokens = run.texts.length;
    for (const [part, name] of [
      ['keys', 'entry.zoneKeys'],
      ['values', 'entry.zoneValues'],
    ] as const)
      for (let head = 0; head < 8; head++) {
        const sent = Array.from(last[name]!.data.subarray(head * tokens, (head + 1) * tokens));
        const rebuilt = run.survival[part].subarray(head * run.survival.stride, head * run.survival.stride + tokens);
        assert.deepEqual(Array.from(rebuilt), sent, `${method} ${part} of head ${head}`);
        const history = headHistory(run, head >> 1, head & 1, part, 41);
        assert.deepEqual(
          Array.from(history.subarray(40 * tokens)),
          sent,
          `${method} history of ${part} of head ${head}`,
        );
      }
  }
});

test('positions are absolute before and after eviction', () => {
  const { run } = storeOf(recordedRun({ ...small, method: 'streamingLLM' }));
  const seen = seenAtStep(run, 40);
  for (let position = 0; position < seen; position++)
    assert.equal(
      holdingAt(run.survival, position, 40),
      position < 4 || position >= seen - 40 ? 8 : 0,
      `position ${position}`,
    );
});

test('prefill then decode feeds no token twice: the full cache holds prompt and steps', () => {
  const { run } = storeOf(recordedRun({ ...small, method: 'full' }));
  for (const step of [0, 1, 40]) assert.equal(entriesAt(run.survival, step), (run.info.promptLength + step) * 8);
});

test('heads of H2O keep different tokens', () => {
  const { run } = storeOf(recordedRun({ ...small, method: 'h2o' }));
  const tokens = run.texts.length;
  const rows = Array.from({ length: 8 }, (_, head) =>
    headHistory(run, head >> 1, head & 1, 'keys', 41)
      .subarray(40 * tokens)
      .join(),
  );
  assert.ok(new Set(rows).size > 1);
});

test('a snapshot replaces what was known of its run, and a run that a gone kernel left is replaced too', () => {
  const frames = [...recordedRun(small)];
  const { store, run } = storeOf(frames.slice(0, 20));
  const all = frames.reduce(mergeFrames);
  receiveFrame(store, { ...all.header, snapshot: true }, all.buffer);
  assert.deepEqual(contents(shownRun(store)!), contents(storeOf(frames).run));
  store.ended.add(run.info.run);
  receiveFrame(store, { ...frames[0]!.header, snapshot: false }, frames[0]!.buffer);
  assert.equal(shownRun(store)!.texts.length, run.info.promptLength);
});

test('a snapshot that replaces a run of as many frames is a newer version, so that it is drawn', () => {
  const frames = [...recordedRun(small)];
  const { store, run } = storeOf([frames[0]!]);
  const { header, buffer } = frames.reduce(mergeFrames);
  receiveFrame(store, { ...header, snapshot: true }, buffer);
  assert.equal(shownRun(store)!.step, 40);
  assert.notEqual(shownRun(store)!.version, run.version);
});

test('runs of the kernel before are kept until the next one is gone too, and the one that is shown stays', () => {
  const store = createStore();
  const named = (run: string) => {
    const [first] = recordedRun(small);
    const { header, buffer } = first!;
    receiveFrame(store, { ...header, run, info: { ...header.info!, run } }, buffer);
  };
  named('a');
  named('b');
  endRuns(store);
  endRuns(store);
  assert.deepEqual([...store.runs.keys()], ['a', 'b'], 'saying it twice forgets nothing');
  named('c');
  showRun(store, 'a', true);
  endRuns(store);
  assert.deepEqual([...store.runs.keys()], ['a', 'c']);
  assert.deepEqual([...store.ended], ['a', 'c']);
});

test('a frame of an unknown run without its info says to ask for a snapshot', () => {
  const [, second] = [...recordedRun(small)];
  assert.throws(() => receiveFrame(createStore(), second!.header, second!.buffer), /^Error: run: .*ask for a snapshot/);
});

test('the newest run is shown until the user chooses one', () => {
  const { store } = storeOf(recordedRun({ ...small, run: 'a' }));
  for (const { header, buffer } of recordedRun({ ...small, run: 'b' })) receiveFrame(store, header, buffer);
  assert.equal(store.shown, 'b');
  showRun(store, 'a', true);
  for (const { header, buffer } of recordedRun({ ...small, run: 'c' })) receiveFrame(store, header, buffer);
  assert.equal(store.shown, 'a');
});

test('a query head marks its KV head, a preview hides the lock, and locking twice frees', () => {
  const { store } = storeOf(recordedRun(small));
  lockSelection(store, { layer: 2, queryHead: 4 });
  assert.deepEqual(store.locked, { layer: 2, queryHead: 4, kvHead: 1 });
  previewSelection(store, { position: 3 });
  assert.deepEqual(selected(store), { layer: 2, queryHead: 4, kvHead: 1, position: 3 });
  lockSelection(store, { layer: 2, queryHead: 4 });
  assert.deepEqual(store.locked, {});
  lockSelection(store, { position: 3 });
  clearSelection(store);
  assert.deepEqual(selected(store), {});
});

test('a pinned step stays while tokens arrive, and live follows again', () => {
  const frames = [...recordedRun(small)];
  const { store, run } = storeOf(frames.slice(0, 20));
  pinStep(store, 7);
  for (const { header, buffer } of frames.slice(20)) receiveFrame(store, header, buffer);
  assert.equal(shownStep(store, run), 7);
  goLive(store);
  assert.equal(shownStep(store, run), 40);
});
