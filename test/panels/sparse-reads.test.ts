/** Sparse reads from a recorded run of Quest: pages, shares and words against numbers counted another way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFrame } from 'kvlab/frame';
import { denseHeads, pageMasses, recallCurve } from '../../lab-extension/src/panels/sparse-reads/dense.ts';
import { describeSparse } from '../../lab-extension/src/panels/sparse-reads/describe.ts';
import {
  cellAlways,
  cellRead,
  cellSkipped,
  cellUnborn,
  encodeSparse,
  layerReads,
  readsSparsely,
  rowCells,
  shownHead,
} from '../../lab-extension/src/panels/sparse-reads/encode.ts';
import type { Said } from '../../lab-extension/src/panels/words.ts';
import type { Run } from '../../lab-extension/src/store/run.ts';
import { createStore, receiveFrame, shownRun } from '../../lab-extension/src/store/store.ts';
import { recordedRun } from './recorded-run.ts';
import { recordedSnapshot } from './replayed.ts';

const snapshot = recordedSnapshot('quest');
const columns = decodeFrame(snapshot.header, snapshot.buffer);
const { layers, queryHeads, kvHeads } = snapshot.header.info!.model;
const words = (said: Said) => said.caption.map((phrase) => phrase.text).join('');
const plain = { shading: 'mask', beside: 'layers' } as const;
const head = { layer: 12, kvHead: 1, queryHead: 4 };

function quest(): Run {
  const store = createStore();
  receiveFrame(store, { ...snapshot.header, snapshot: true }, snapshot.buffer);
  return shownRun(store)!;
}
const run = quest();
const drawing = encodeSparse(run, run.step, head)!;

test('the pages of a head are those that its rows of the log name', () => {
  const counts = columns['fetch.pages']!.data;
  let at = 0;
  const own = layers * kvHeads;
  for (let row = 0; row < drawing.rows.length; row++)
    for (let h = 0; h < own; h++) {
      const count = counts[row * own + h]!;
      if (h === head.layer * kvHeads + head.kvHead && drawing.rows[row]!.pages)
        assert.deepEqual(
          drawing.rows[row]!.pages!.map(({ page }) => page),
          [...columns['fetch.page']!.data.subarray(at, at + count)],
        );
      at += count;
    }
  assert.equal(at, columns['fetch.page']!.data.length, 'every row of the log belongs to a head of a step');
});

test('Quest reads as many pages of eight tokens as fit into 56 beside the unfinished one, and the first two layers read everything', () => {
  const reading = drawing.rows.filter(({ pages }) => pages);
  assert.ok(reading.length > 60);
  // The new token of a step is not yet held, and what is in no whole page yet is always read.
  for (const { pages, seen } of reading) assert.equal(pages!.length, Math.floor((56 - ((seen - 1) % 8)) / 8));
  assert.equal(drawing.pageSize, 8);
  assert.deepEqual(
    drawing.layers.map(({ keys }) => keys < 1),
    Array.from({ length: layers }, (_, layer) => layer >= 2),
  );
  assert.equal(encodeSparse(run, run.step, { layer: 0, kvHead: 0, queryHead: 0 })!.stays.length, 0);
});

test('each token of the map is read, skipped or not written yet, and what is in no page is always read', () => {
  const row = drawing.rows.at(-1)!;
  const tokens = row.seen + 5;
  const cells = rowCells(row, drawing, tokens);
  // The newest page was closed only after the step that wrote its last token.
  const inPages = Array.from(drawing.pageTo).filter((to) => to < row.seen).length * 8;
  const read = 8 * row.pages!.length;
  const count = (kind: (cell: number) => boolean) => cells.filter(kind).length;
  assert.equal(
    count((cell) => cell >= cellRead),
    read,
  );
  assert.equal(
    count((cell) => cell === cellSkipped),
    inPages - read,
  );
  assert.equal(
    count((cell) => cell === cellAlways),
    row.seen - inPages,
  );
  assert.equal(
    count((cell) => cell === cellUnborn),
    5,
  );
  const best = row.pages![0]!.page;
  assert.equal(cells[drawing.pageFrom[best]!], cellRead, 'the best page has the first rank');
});

test('a stay is a page over steps without a break, and all stays together are all reads', () => {
  const read = drawing.rows.reduce((sum, { pages }) => sum + (pages?.length ?? 0), 0);
  assert.equal(
    drawing.stays.reduce((sum, { from, to }) => sum + to - from + 1, 0),
    read,
  );
  for (const { page, from, to } of drawing.stays) {
    const has = (row: number) => drawing.rows[row]?.pages?.some((own) => own.page === page) ?? false;
    assert.ok(has(from) && has(to) && !has(from - 1) && !has(to + 1));
  }
});

test('shares of attention are means over the decoding steps, at the step that is shown', () => {
  const mass = columns['fetch.mass']!.data;
  for (const step of [10, run.step]) {
    const rows = Array.from({ length: step }, (_, i) => i + 1);
    const own = rows.map((row) => mass[(row * layers + 12) * queryHeads + 4]!).filter(Number.isFinite);
    const shown = layerReads(run, step)[12]!;
    assert.ok(Math.abs(shown.heads[4]! - own.reduce((a, b) => a + b, 0) / own.length) < 1e-9);
    assert.ok(shown.mean > shown.keys, 'chosen pages hold more attention than as many keys by chance');
  }
});

test('what a step read holds the same share by the recorded attention over everything as was measured', () => {
  const { dense, rows } = drawing;
  assert.ok(dense);
  let compared = 0;
  for (const row of rows) {
    const shares = dense.get(row.step)!;
    const { pages, besides } = pageMasses(row, drawing, shares);
    const held = (row.pages ?? []).reduce((sum, { page }) => sum + pages.get(page)!, besides);
    assert.ok(
      Math.abs([...pages.values()].reduce((a, b) => a + b, besides) - 1) < 2e-3,
      'all pages and the rest are all',
    );
    if (!row.pages) continue;
    assert.ok(Math.abs(held - row.recall) < 2e-3, `step ${row.step}: ${held} of pages, ${row.recall} measured`);
    compared += 1;
  }
  assert.ok(compared > 60);
  assert.equal(encodeSparse(run, run.step, { ...head, queryHead: 3 })!.dense, undefined, 'nobody named that head');
  assert.equal(encodeSparse(run, 10, head)!.dense!.size, 11, 'rows up to the step that is shown');
});

test('recall grows with the pages, ends at what was read, and no order of pages holds more than the best', () => {
  const { byScore, best, steps } = recallCurve(drawing)!;
  const read = drawing.rows.filter(({ pages }) => pages);
  assert.equal(steps, read.length);
  assert.equal(byScore.length, drawing.most + 1);
  for (let k = 0; k <= drawing.most; k++) {
    assert.ok(byScore[k]! <= best[k]! + 1e-9);
    assert.ok(k === 0 || (byScore[k]! >= byScore[k - 1]! && best[k]! >= best[k - 1]!));
  }
  assert.equal(byScore[0], best[0]);
  const recalls = read.map(({ recall }) => recall);
  assert.ok(Math.abs(byScore.at(-1)! - recalls.reduce((a, b) => a + b, 0) / recalls.length) < 2e-3);
});

test('a head whose attention was not recorded is shaded by score, and the words say how to record it', () => {
  const unnamed = encodeSparse(run, run.step, { ...head, queryHead: 3 })!;
  assert.match(
    words(describeSparse(run, unnamed, undefined, { shading: 'mass', beside: 'layers' })),
    /named in record\.$/,
  );
  assert.doesNotMatch(words(describeSparse(run, drawing, undefined, { shading: 'mass', beside: 'layers' })), /record/);
  assert.equal(recallCurve(unnamed), undefined);
});

test('a file has one row for each step and page: what was picked, its rank and the attention on it', () => {
  const data = describeSparse(run, drawing, undefined, plain).data!() as Record<string, Float64Array>;
  const last = data.step!.length - 1;
  const row = drawing.rows.at(-1)!;
  assert.equal(data.step![last], row.step);
  const picked = [...data.step!.keys()].filter((i) => data.step![i] === row.step && data.picked![i] === 1);
  assert.deepEqual(
    picked.sort((a, b) => data.rank![a]! - data.rank![b]!).map((i) => data.page![i]),
    row.pages!.map(({ page }) => page),
  );
  assert.ok(data.mass!.every((share) => share >= 0 && share <= 1));
});

test('without a selection the head that misses most is shown; a query head brings its KV head', () => {
  const shown = shownHead(run, {});
  const least = layerReads(run, run.step)[shown.layer]!.heads[shown.queryHead]!;
  assert.ok(
    denseHeads(run).has(shown.layer * queryHeads + shown.queryHead),
    'of those that have their whole attention',
  );
  for (const { heads } of layerReads(run, run.step)) for (const share of heads) assert.ok(!(share < least));
  assert.deepEqual(shownHead(run, { layer: 5, queryHead: 7 }), { layer: 5, queryHead: 7, kvHead: 2 });
  assert.deepEqual(shownHead(run, { layer: 5, kvHead: 1 }), { layer: 5, queryHead: 3, kvHead: 1 });
});

test('the words give the share of keys and of attention, and how often the page of a token was read', () => {
  const { keys, mean, heads } = drawing.layers[12]!;
  const share = (value: number) => `${Math.round(100 * value)} %`;
  assert.equal(
    words(describeSparse(run, drawing, undefined, plain)),
    `Layer 12 reads ${share(keys)} of keys and keeps ${share(mean)} of attention; head 4 keeps ${share(heads[4]!)}.`,
  );
  const read = drawing.rows.filter(({ pages }) => pages?.some(({ page }) => page === 3)).length;
  assert.match(words(describeSparse(run, drawing, 26, plain)), new RegExp(`lies in page 3, .* read in ${read} of `));
  const { rows } = describeSparse(run, drawing, undefined, plain).table();
  assert.equal(rows.length, layers);
  assert.deepEqual(rows[0]!.slice(0, 3), ['0', '100 %', '100 %']);
});

test('a run that reads everything says so, and names what chooses pages', () => {
  const store = createStore();
  for (const { header, buffer } of recordedRun({ layers: 2, queryHeads: 2, kvHeads: 1, steps: 3 }))
    receiveFrame(store, header, buffer);
  const full = shownRun(store)!;
  assert.equal(readsSparsely(full), false);
  const said = describeSparse(full, undefined, undefined, plain);
  assert.match(said.missing!.text, /reads everything that it holds in every step. Quest/);
  assert.match(said.missing!.cell!.source, /methods\.quest/);
});
