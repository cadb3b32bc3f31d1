/** Compare from a recorded comparison: figures counted another way, evictions before a peak, texts, and how runs are told apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entriesOf } from '@kvlab/ops';
import { decodeFrame, encodeFrame, type Frame } from 'kvlab/frame';
import { describeCompare } from '../../lab-extension/src/panels/compare/describe.ts';
import {
  encodeCompare,
  laneSurvival,
  lostBefore,
  peaksOf,
  shownComparison,
  textAt,
} from '../../lab-extension/src/panels/compare/encode.ts';
import { sorted } from '../../lab-extension/src/panels/compare/figures.ts';
import type { Said } from '../../lab-extension/src/panels/words.ts';
import type { Run } from '../../lab-extension/src/store/run.ts';
import { createStore, receiveFrame, showRun } from '../../lab-extension/src/store/store.ts';
import { recordedRun } from './recorded-run.ts';
import { recordedSnapshot } from './replayed.ts';

const snapshot = recordedSnapshot('comparison');
const columns = decodeFrame(snapshot.header, snapshot.buffer);
const P = snapshot.header.info!.comparison!.lanes.length;
const comparison = runOf(snapshot);
const drawing = encodeCompare(comparison);
const words = (said: Said) => said.caption.map((phrase) => phrase.text).join('');

function runOf({ header, buffer }: Frame): Run {
  const store = createStore();
  receiveFrame(store, { ...header, snapshot: true }, buffer);
  return shownComparison(store)!;
}

test('figures of a method are means of its column', () => {
  const mean = (name: string, p: number) => {
    const own = Array.from(columns[name]!.data).filter((_, i) => i % P === p);
    return own.reduce((a, b) => a + b, 0) / own.length;
  };
  drawing.lanes.forEach((lane, p) => {
    assert.ok(Math.abs(lane.meanKl - mean('compare.kl', p)) < 1e-9);
    assert.ok(Math.abs(lane.agreement - mean('compare.top1', p)) < 1e-9);
    assert.ok(Math.abs(lane.perplexity - Math.exp(mean('compare.nll', p))) < 1e-6);
  });
  const [full, ...others] = drawing.lanes;
  assert.deepEqual([full!.meanKl, full!.agreement, full!.ofFull], [0, 1, 1]);
  assert.ok(others.every(({ ofFull }) => ofFull > 0.1 && ofFull < 0.8));
});

test('more bytes of one method mean less KL: its settings are joined in the plot, and share a hue', () => {
  for (const method of ['H2O', 'StreamingLLM', 'KIVI']) {
    const [small, large] = drawing.lanes.filter((lane) => lane.method === method);
    assert.deepEqual([small!.first, large!.first, small!.hue], [true, false, large!.hue]);
    assert.ok(large!.bytesHeld > small!.bytesHeld && large!.meanKl < small!.meanKl, method);
  }
  assert.deepEqual(
    [...new Set(drawing.lanes.map(({ hue }) => hue))],
    [undefined, 0, 1, 2, 3],
    'the full cache has no hue, four methods have one each',
  );
});

test('the caption names the nearest method with its figures, and nothing forced is said of free texts', () => {
  const nearest = drawing.lanes.slice(1).sort((a, b) => a.meanKl - b.meanKl)[0]!;
  const said = words(describeCompare(drawing, 'forced', undefined));
  assert.ok(said.startsWith(`${nearest.name} stays nearest: mean KL ${nearest.meanKl.toFixed(3)}`), said);
  const free = describeCompare(drawing, 'free', undefined);
  assert.doesNotMatch(words(free), /KL|agreement/);
  assert.deepEqual(free.table().head, ['method', 'leaves the full cache at token', 'text']);
  assert.equal(describeCompare(drawing, 'forced', undefined).table().rows.length, P);
});

test('free texts part where the ids do', () => {
  const ids = (lane: number) =>
    [...columns['token.id']!.data].filter((_, row) => columns['token.lane']!.data[row] === lane);
  drawing.lanes.forEach(({ free, lane }) => {
    const at = ids(0).findIndex((id, i) => id !== ids(lane)[i]);
    assert.equal(free!.divergesAt, at < 0 ? undefined : at);
    assert.equal(free!.pieces.length, ids(lane).length);
  });
});

test('StreamingLLM holds its sinks and its window in all heads, and nothing else', () => {
  const lane = drawing.lanes.find(({ method }) => method === 'StreamingLLM')!;
  const { rows, tokens, heads, steps } = laneSurvival(comparison, lane.lane);
  const prompt = comparison.info.promptLength;
  const budget = entriesOf(0.2, prompt);
  for (const step of [0, 20, steps - 1]) {
    const row = rows.subarray(step * tokens, (step + 1) * tokens);
    const held = [...row.keys()].filter((position) => row[position] === heads);
    const seen = prompt + step;
    const window = budget - 4;
    assert.deepEqual(
      held,
      [0, 1, 2, 3, ...Array.from({ length: window }, (_, i) => seen - window + i)],
      `step ${step}`,
    );
    assert.equal(row.filter((count) => count > 0 && count < heads).length, 0);
  }
});

test('a method that evicts nothing holds everything; what is not written yet is held by none', () => {
  const lane = drawing.lanes.find(({ method }) => method === 'KIVI')!;
  const { rows, tokens, heads } = laneSurvival(comparison, lane.lane);
  const prompt = comparison.info.promptLength;
  assert.ok(rows.subarray(0, prompt).every((count) => count === heads));
  assert.ok(rows.subarray(prompt, tokens).every((count) => count === 0));
});

test('a peak of KL leads to what left the cache in the sixteen steps before it', () => {
  const lane = drawing.lanes.find(({ method }) => method === 'StreamingLLM')!;
  const rows = peaksOf(lane);
  assert.ok(rows.length > 0);
  for (const row of rows) assert.ok(lane.kl[row]! > 2 * lane.meanKl);
  const row = rows.find((at) => at > 20)!;
  const survival = laneSurvival(comparison, lane.lane);
  const lost = lostBefore(survival, row, comparison.info.promptLength);
  // A window moves by one token a step, so sixteen steps push out sixteen, each from all heads.
  const oldest = comparison.info.promptLength + row - (entriesOf(0.2, comparison.info.promptLength) - 4) - 16;
  assert.deepEqual(
    lost,
    Array.from({ length: 16 }, (_, i) => ({ position: oldest + i, heads: survival.heads })),
  );
  const said = words(describeCompare(drawing, 'forced', { lane: lane.lane, row }));
  assert.ok(said.includes(`KL ${lane.kl[row]!.toFixed(3)}`), said);
  assert.match(said, /in the 16 steps before 16 tokens left some of 90 heads/);
  assert.ok(said.includes(`${lost[0]!.position} ‘${textAt(comparison, lost[0]!.position)!.trim()}`), said);
});

test('columns sort, and the full cache stays first', () => {
  const byKl = sorted(drawing.lanes, { column: 1, down: true });
  assert.equal(byKl[0]!.lane, 0);
  const kls = byKl.slice(1).map(({ meanKl }) => meanKl);
  assert.deepEqual(
    kls,
    [...kls].sort((a, b) => b - a),
  );
  assert.deepEqual(sorted(drawing.lanes, { column: undefined, down: false }), drawing.lanes);
});

test('a comparison is no run: it is not shown in the other panels, and the panel takes the one that the shown lane belongs to', () => {
  const store = createStore();
  const named = (run: string) => ({ ...snapshot.header, run, snapshot: true, info: { ...snapshot.header.info!, run } });
  receiveFrame(store, named('first'), snapshot.buffer);
  assert.equal(store.shown, undefined);
  receiveFrame(store, named('second'), snapshot.buffer);
  assert.equal(shownComparison(store)!.info.run, 'second');
  const [frame] = recordedRun({ layers: 2, queryHeads: 2, kvHeads: 1, steps: 2 });
  const info = { ...frame!.header.info!, laneOf: { comparison: 'first', lane: 1 } };
  receiveFrame(store, { ...frame!.header, info }, frame!.buffer);
  showRun(store, frame!.header.run, true);
  assert.equal(shownComparison(store)!.info.run, 'first');
});

test('a comparison that has only begun, or knows one mode, says what is missing', () => {
  const { header } = snapshot;
  const empty = encodeFrame({ ...header, state: 'running', message: 'read by 1 of 8 methods' }, {});
  const begun = encodeCompare(runOf(empty));
  assert.equal(begun.judged, 0);
  assert.match(words(describeCompare(begun, 'forced', undefined)), /Reading the prompt: read by 1 of 8 methods/);
  const done = encodeCompare(runOf(encodeFrame({ ...header, state: 'finished' }, {})));
  assert.match(describeCompare(done, 'forced', undefined).missing!.text, /no KL and no perplexity/);
  assert.match(describeCompare(done, 'free', undefined).missing!.text, /mode: 'both'/);
  assert.match(describeCompare(undefined, 'forced', undefined).missing!.cell!.source, /lab\.compare/);
});
