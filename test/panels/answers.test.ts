/** What panels answer beyond their first picture, on the recorded runs, against numbers counted another way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { decodeFrame } from 'kvlab/frame';
import { encodeSinks, plainView, sinkRows } from '../../lab-extension/src/panels/attention-sinks/encode.ts';
import { csvOf } from '../../lab-extension/src/panels/data.ts';
import { evictionsByStep, nextEviction } from '../../lab-extension/src/panels/eviction-timeline/encode.ts';
import { whyOf } from '../../lab-extension/src/panels/eviction-timeline/why.ts';
import { cellOf } from '../../lab-extension/src/panels/export/cell.ts';
import { withText } from '../../lab-extension/src/panels/export/png.ts';
import { concentration, encodeHeavy, heavyOverlap } from '../../lab-extension/src/panels/heavy-hitters/encode.ts';
import { encodeMemory } from '../../lab-extension/src/panels/memory-over-time/encode.ts';
import { pageAt } from '../../lab-extension/src/panels/memory-over-time/page-map.ts';
import { pageMap } from '../../lab-extension/src/panels/memory-over-time/pages.ts';
import { encodeErrors, errorHistogram } from '../../lab-extension/src/panels/quantization-error/encode.ts';
import { encodeTokenStrip } from '../../lab-extension/src/panels/token-strip/encode.ts';
import type { Run } from '../../lab-extension/src/store/run.ts';
import {
  createStore,
  extendRange,
  goLive,
  holdRange,
  lockSelection,
  pinStep,
  pointAt,
  pointedAt,
  receiveFrame,
  shownRange,
  shownRun,
  shownStep,
} from '../../lab-extension/src/store/store.ts';
import { entriesAt, gone } from '../../lab-extension/src/store/survival.ts';
import { framesOf, type RecordedName, recordedSnapshot } from './replayed.ts';

function storeOf(name: RecordedName) {
  const store = createStore();
  for (const { header, buffer } of framesOf(recordedSnapshot(name))) receiveFrame(store, header, buffer);
  return store;
}
const runOf = (name: RecordedName): Run => shownRun(storeOf(name))!;
const h2o = runOf('h2o');
const kivi = runOf('kivi');
const columnsOf = (name: RecordedName) => {
  const { header, buffer } = recordedSnapshot(name);
  return decodeFrame(header, buffer);
};
const near = (a: number, b: number, within = 1e-5) => assert.ok(Math.abs(a - b) <= within, `${a} and ${b}`);

test('sinks over a range of steps are the mean of its steps, sorted heads keep their values', () => {
  const mass = columnsOf('h2o')['sink.mass']!.data;
  const size = 270;
  const drawing = encodeSinks(h2o, [10, 20], { ...plainView, sorted: true })!;
  for (const head of [0, 100, 269]) {
    let sum = 0;
    for (let step = 10; step <= 20; step++) sum += mass[step * size + head]!;
    near(drawing.mass[head]!, sum / 11);
  }
  for (let layer = 0; layer < 30; layer++) {
    const order = [...drawing.order.slice(layer * 9, layer * 9 + 9)];
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
    );
    const values = order.map((head) => drawing.values[layer * 9 + head]!);
    assert.deepEqual(
      values,
      [...values].sort((a, b) => b - a),
    );
  }
});

test('a larger ε finds fewer sinks, and the rate is what one first token receives of all queries', () => {
  const shares = [0.1, 0.3, 0.8].map((threshold) => encodeSinks(h2o, [60, 60], { ...plainView, threshold })!.sinkShare);
  assert.ok(shares[0]! > shares[1]! && shares[1]! > shares[2]!);
  const received = columnsOf('h2o')['attention.received']!;
  const tokens = received.shape[2]!;
  const rate = encodeSinks(h2o, [60, 60], { ...plainView, measure: 'rate' })!.values;
  for (const head of [0, 140, 269])
    near(rate[head]!, Math.max(...received.data.slice(head * tokens, head * tokens + h2o.info.sinkCount)));
  assert.equal(sinkRows(h2o, [5, 6]).step.length, 2 * 270);
});

test('heavy hitters by mean and by largest are made from the heads of a group', () => {
  const received = columnsOf('h2o')['attention.received']!;
  const tokens = received.shape[2]!;
  const at = (queryHead: number, position: number) => received.data[queryHead * tokens + position]!;
  const [mean, largest] = [encodeHeavy(h2o, 'mean')!, encodeHeavy(h2o, 'largest')!];
  for (const [row, position] of [
    [0, 0],
    [40, 60],
    [89, 200],
  ] as const) {
    const group = [0, 1, 2].map((i) => at(row * 3 + i, position));
    near(mean.scores[row * tokens + position]!, group.reduce((a, b) => a + b, 0) / 3);
    near(largest.scores[row * tokens + position]!, Math.max(...group));
  }
});

test('heads share heavy tokens as their sets say, each wholly with itself', () => {
  const drawing = encodeHeavy(h2o)!;
  const overlap = heavyOverlap(drawing);
  const count = Math.ceil(drawing.tokens * 0.05);
  const heavy = (row: number) => concentration(drawing, row).order.slice(0, count);
  assert.equal(overlap[7 * drawing.rows + 7], 1);
  const [a, b] = [heavy(10), heavy(12)];
  const both = a.filter((position) => b.includes(position)).length;
  near(overlap[10 * drawing.rows + 12]!, both / new Set([...a, ...b]).size);
  assert.equal(overlap[10 * drawing.rows + 12], overlap[12 * drawing.rows + 10]);
});

test('what left at each step adds up to what is gone in the end', () => {
  const counts = evictionsByStep(h2o);
  const left = counts.reduce((a, b) => a + b, 0);
  assert.equal(left, h2o.texts.length * 90 - entriesAt(h2o.survival, h2o.step));
  assert.equal(
    nextEviction(h2o, 3, 1),
    counts.findIndex((count, step) => step > 3 && count > 0),
  );
  assert.equal(nextEviction(h2o, 0, -1), undefined);
  assert.equal(evictionsByStep(kivi).length, 0);
});

test('why: the last event of the entry, its rank among what the head held, its age', () => {
  const event = columnsOf('h2o');
  const column = (name: string) => event[`event.${name}`]!.data;
  const row = column('step').findIndex((step, i) => step > 10 && column('to')[i] === gone);
  const [step, layer, kvHead, position] = ['step', 'layer', 'kvHead', 'position'].map((name) => column(name)[row]!) as [
    number,
    number,
    number,
    number,
  ];
  const why = whyOf(h2o, h2o.step, layer, kvHead, position)!;
  assert.equal(why.zone, undefined);
  assert.deepEqual([why.event!.step, why.event!.rank], [step, column('rank')[row]!]);
  assert.equal(why.event!.among, 28, 'a head that keeps 27 holds one more before it drops one');
  assert.equal(why.event!.age, h2o.info.promptLength + step - 1 - position);
  assert.equal(whyOf(h2o, step - 1, layer, kvHead, position)!.zone === undefined, false);
  assert.equal(whyOf(h2o, 3, 0, 0, h2o.texts.length - 1), undefined, 'a token that is not written yet');
  assert.deepEqual(
    why.rules.map(({ file }) => file),
    ['ops/score/accumulated-attention.ts', 'ops/select/zones.ts'],
  );
});

test('pages hold together what heads hold, now and at an earlier step', () => {
  for (const run of [h2o, kivi])
    for (const step of [0, 17, run.step - 1, run.step]) {
      const map = pageMap(run, step);
      const heads = run.info.model.layers * run.info.model.kvHeads;
      assert.equal(
        map.live.reduce((a, b) => a + b, 0),
        entriesAt(run.survival, step),
      );
      assert.equal(map.bounds[pageAt(map, 100)], 96);
      assert.ok(map.room * map.live.length >= heads * 8);
    }
});

test('a method’s own pages and tiers take the place of ours', () => {
  const quest = runOf('quest');
  const map = pageMap(quest, quest.step);
  assert.equal(map.measured, true);
  assert.ok(map.tier?.includes(0));
  const held = encodeMemory(quest, quest.step)!;
  const tiers = encodeMemory(quest, quest.step, 'tiers')!;
  near(held.held.at(-1)!, tiers.held.at(-1)!, 0);
  assert.deepEqual(
    tiers.bands.map(({ name }) => name),
    ['device'],
  );
});

test('the histogram counts every quantized token once', () => {
  const drawing = encodeErrors(kivi)!;
  for (const layer of [undefined, 12])
    for (const part of ['keys', 'values'] as const)
      near(
        errorHistogram(drawing, layer)[part].reduce((a, b) => a + b, 0),
        1,
      );
});

test('words, sentences and lines share the mean of their tokens', () => {
  const tokens = encodeTokenStrip(h2o, h2o.step);
  const words = encodeTokenStrip(h2o, h2o.step, { measure: 'surprise', granularity: 'word' });
  const holm = h2o.texts.findIndex(({ text }) => text === 'holm');
  const mean = (tokens[holm - 1]!.value + tokens[holm]!.value) / 2;
  for (const position of [holm - 1, holm]) near(words[position]!.value, mean);
  for (const granularity of ['sentence', 'line'] as const) {
    const grouped = encodeTokenStrip(h2o, h2o.step, { measure: 'surprise', granularity });
    assert.ok(new Set(grouped.map(({ value }) => value)).size < new Set(words.map(({ value }) => value)).size);
  }
});

test('a range is held in either order, grows by keys, and is what a cell reads back', () => {
  const store = storeOf('h2o');
  const run = shownRun(store)!;
  holdRange(store, 40, 12);
  assert.deepEqual([shownRange(store, run), shownStep(store, run)], [[12, 40], 40]);
  extendRange(store, run, 1);
  extendRange(store, run, -1);
  assert.deepEqual(pointedAt(store).range, [11, 41]);
  pinStep(store, 7);
  assert.deepEqual([pointedAt(store).step, pointedAt(store).range], [7, undefined]);
  goLive(store);
  assert.deepEqual(shownRange(store, run), [0, run.step]);
  pointAt(store, { range: [3, 9], position: 4 });
  lockSelection(store, { layer: 2, queryHead: 8 });
  assert.deepEqual(pointedAt(store), { run: 'h2o', range: [3, 9], position: 4, layer: 2, queryHead: 8, kvHead: 2 });
});

test('CSV quotes what needs it, and never writes a formula', () => {
  assert.equal(
    csvOf({ step: [1, Number.NaN], token: ['a,"b"', '=SUM(A1)'] }, { method: 'H2O' }),
    '# method: H2O\r\nstep,token\r\n1,"a,""b"""\r\n,\'=SUM(A1)\r\n',
  );
});

test('a cell draws tokens from strings, whatever they hold', () => {
  const odd = ['a `$', '{b}` "c"\n</script>'].join('');
  const cell = cellOf({ info: h2o.info, prompt: odd, panel: 'token-strip' });
  assert.ok(cell.includes(JSON.stringify(odd)));
});

test('a text chunk goes before the end of a PNG, with the right checksum', () => {
  const end = Uint8Array.of(0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82);
  const out = withText(Uint8Array.of(1, 2, ...end), 'k', 'v');
  assert.deepEqual(out.slice(-12), end);
  // zlib's own checksum of the same bytes.
  const body = out.slice(6, out.length - 12 - 4);
  const given = new DataView(out.buffer).getUint32(out.length - 16);
  assert.equal(given, zlib.crc32(body));
});
