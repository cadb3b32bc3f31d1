/** Several tokens and heads selected at once: what adds, what extends, what frees, and what panels say of them. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { Selection } from 'kvlab/frame';
import { describeSinks } from '../../lab-extension/src/panels/attention-sinks/describe.ts';
import { encodeSinks } from '../../lab-extension/src/panels/attention-sinks/encode.ts';
import { describeEviction } from '../../lab-extension/src/panels/eviction-timeline/describe.ts';
import { encodeEviction } from '../../lab-extension/src/panels/eviction-timeline/encode.ts';
import { pressKey } from '../../lab-extension/src/panels/keys.ts';
import { describeTokenStrip } from '../../lab-extension/src/panels/token-strip/describe.ts';
import { encodeTokenStrip } from '../../lab-extension/src/panels/token-strip/encode.ts';
import type { Said } from '../../lab-extension/src/panels/words.ts';
import {
  addToSelection,
  createStore,
  extendSelection,
  lockedHeads,
  lockedPositions,
  lockSelection,
  pointAt,
  pointedAt,
  receiveFrame,
  type Store,
  selected,
  shownRun,
  showRun,
} from '../../lab-extension/src/store/store.ts';
import { holdingAt } from '../../lab-extension/src/store/survival.ts';
import { recordedSnapshot } from './replayed.ts';

const { header, buffer } = recordedSnapshot('h2o');
let store: Store;
beforeEach(() => {
  store = createStore();
  receiveFrame(store, { ...header, snapshot: true }, buffer);
});
const words = ({ caption }: Said) => caption.map(({ text }) => text).join('');

test('a click locks one token, with Shift it adds one, and takes out one that is there', () => {
  lockSelection(store, { position: 7 });
  addToSelection(store, { position: 3 });
  addToSelection(store, { position: 40 });
  assert.deepEqual(lockedPositions(store), [3, 7, 40]);
  assert.equal(store.locked.position, 40, 'panels of one token show the newest');
  addToSelection(store, { position: 40 });
  assert.deepEqual([lockedPositions(store), store.locked.position], [[3, 7], 7]);
  addToSelection(store, { position: 7 });
  assert.deepEqual([lockedPositions(store), store.locked.positions], [[3], undefined]);
  addToSelection(store, { position: 3 });
  assert.deepEqual(store.locked, {});
});

test('a click without Shift takes the place of all, also on one of them', () => {
  for (const position of [5, 6, 9]) addToSelection(store, { position });
  lockSelection(store, { position: 6 });
  assert.deepEqual(store.locked, { position: 6 });
});

test('heads are added with their KV heads, and stay when another run is shown, where tokens do not', () => {
  lockSelection(store, { layer: 2, queryHead: 5 });
  addToSelection(store, { layer: 12, queryHead: 0 });
  addToSelection(store, { position: 4 });
  addToSelection(store, { position: 5 });
  assert.deepEqual(lockedHeads(store), [
    { layer: 2, queryHead: 5, kvHead: 1 },
    { layer: 12, queryHead: 0, kvHead: 0 },
  ]);
  receiveFrame(store, { ...header, run: 'other', info: { ...header.info!, run: 'other' }, snapshot: true }, buffer);
  showRun(store, 'other', true);
  assert.equal(lockedHeads(store).length, 2);
  assert.deepEqual(lockedPositions(store), []);
});

/** Presses keys in a panel whose cursor goes along the tokens. */
function press(...keys: [key: string, shift?: boolean][]): void {
  const target = {
    step: (columns: number): Selection => ({ position: (selected(store).position ?? -1) + columns }),
    toggleTable: () => undefined,
    openExport: () => undefined,
  };
  for (const [key, shift = false] of keys) assert.ok(pressKey(store, target, key, shift), key);
}

test('Shift and arrows extend the selection from where it began, back over its beginning too', () => {
  lockSelection(store, { position: 10 });
  press(['ArrowRight', true], ['ArrowRight', true]);
  assert.deepEqual(lockedPositions(store), [10, 11, 12]);
  press(['ArrowLeft', true], ['ArrowLeft', true], ['ArrowLeft', true]);
  assert.deepEqual(lockedPositions(store), [9, 10]);
  press(['Home', true]);
  assert.deepEqual(lockedPositions(store), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  press(['End', true]);
  assert.equal(lockedPositions(store).length, header.texts.length - 10);
});

test('Enter with Shift adds what is pointed at, Escape clears all', () => {
  lockSelection(store, { position: 10 });
  press(['ArrowRight'], ['ArrowRight'], ['Enter', true]);
  assert.deepEqual(lockedPositions(store), [10, 12]);
  press(['Escape']);
  assert.deepEqual(store.locked, {});
});

test('a cell reads back all that is selected, and can select it again', () => {
  for (const position of [8, 2]) addToSelection(store, { position });
  extendSelection(store, { layer: 1, queryHead: 8 });
  extendSelection(store, { layer: 2, queryHead: 8 });
  const read = pointedAt(store);
  assert.deepEqual(read.positions, [2, 8]);
  assert.equal(read.heads?.length, 2);
  const again = createStore();
  receiveFrame(again, { ...header, snapshot: true }, buffer);
  pointAt(again, { positions: [2, 8], heads: read.heads! });
  assert.deepEqual([lockedPositions(again), lockedHeads(again)], [lockedPositions(store), lockedHeads(store)]);
});

test('panels speak of all tokens and heads that are selected', () => {
  const run = shownRun(store)!;
  const positions = [30, 31, 60];
  const step = 40;
  const strip = words(describeTokenStrip(run, encodeTokenStrip(run, step), positions, ''));
  assert.match(strip, /^3 tokens from 30 .* to 60 .*held by [\d.]+ of 90 heads on average\.$/);
  const held = positions.reduce((sum, position) => sum + holdingAt(run.survival, position, step), 0);
  const fit = { from: 0, positions: run.texts.length, steps: run.step, columnBin: 1, rowBin: 1 };
  const theme = { tones: {} } as unknown as Parameters<typeof describeEviction>[5];
  const map = encodeEviction(run, step, undefined, fit);
  assert.ok(
    words(describeEviction(run, [0, step], map, undefined, positions, theme)).startsWith(
      `3 tokens at step 40: heads still hold ${held} of 270 of their entries;`,
    ),
  );
  const sinks = encodeSinks(run, [step, step])!;
  const heads = [3, 17].map((layer) => ({ layer, queryHead: 4 }));
  const mean = (sinks.mass[3 * 9 + 4]! + sinks.mass[17 * 9 + 4]!) / 2;
  assert.ok(
    words(describeSinks(run, [step, step], sinks, heads, undefined)).endsWith(
      ` 2 heads (3.4, 17.4): ${mean.toFixed(2)} on average.`,
    ),
  );
});
