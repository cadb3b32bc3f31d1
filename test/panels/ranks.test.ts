/** Ranks of heavy tokens at two steps of a recorded run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFrame, rankCount } from 'kvlab/frame';
import { concentration, encodeHeavy } from '../../lab-extension/src/panels/heavy-hitters/encode.ts';
import { aboutRanks, rankChanges, rankRows, rankTable } from '../../lab-extension/src/panels/heavy-hitters/ranks.ts';
import type { Run } from '../../lab-extension/src/store/run.ts';
import { createStore, receiveFrame, shownRun } from '../../lab-extension/src/store/store.ts';
import { framesOf, recordedSnapshot } from './replayed.ts';

const snapshot = recordedSnapshot('h2o');
const columns = decodeFrame(snapshot.header, snapshot.buffer);
const { kvHeads, layers } = snapshot.header.info!.model;
const head = { layer: 25, kvHead: 1 };

function replayed(until: number): Run {
  const store = createStore();
  for (const { header, buffer } of framesOf(snapshot, until)) receiveFrame(store, header, buffer);
  return shownRun(store)!;
}
const run = replayed(snapshot.header.step);
const recordedOrder = (record: number) => {
  const at = (record * layers * kvHeads + head.layer * kvHeads + head.kvHead) * rankCount;
  return [...columns['rank.position']!.data.subarray(at, at + rankCount)];
};
const words = (position?: number) =>
  aboutRanks(run, rankChanges(run, head, [0, run.step]), position)
    .map(({ text }) => text)
    .join('');

test('ranks are those of the recorded steps, and of the scores at the newest', () => {
  const whole = rankChanges(run, head, [0, run.step])!;
  assert.deepEqual([whole.from, whole.to], [0, run.step]);
  const newest = concentration(encodeHeavy(run)!, head.layer * kvHeads + head.kvHead).order.slice(0, rankCount);
  const rank = (order: readonly number[], position: number) => {
    const at = order.indexOf(position);
    return at < 0 ? undefined : at;
  };
  assert.ok(whole.tokens.length >= 12 && whole.tokens.length <= 24);
  for (const { position, before, after } of whole.tokens) {
    assert.equal(before, rank(recordedOrder(0), position));
    assert.equal(after, rank(newest, position));
    assert.ok((before ?? 99) < 12 || (after ?? 99) < 12, 'among the twelve heaviest of either step');
  }
  const part = rankChanges(run, head, [20, 50])!;
  assert.deepEqual([part.from, part.to], [16, 48], 'the recorded steps before those of the range');
  for (const { position, before, after } of part.tokens) {
    assert.equal(before, rank(recordedOrder(1), position));
    assert.equal(after, rank(recordedOrder(3), position));
  }
});

test('the words tell how many stay and what rises, or where the token that is pointed at was', () => {
  assert.match(
    words(),
    /^From step 0 to step 79, \d+ % of the 12 heaviest tokens in layer 25 kv head 1 stay among them; ‘?\d+ .* rises most, from (below 24|\d+) to \d+\.$/,
  );
  assert.match(words(0), /^Token 0 ‘.*’ is number 1 in layer 25 kv head 1 at step 79; at step 0 it was number 1\.$/);
  const changes = rankChanges(run, head, [0, run.step])!;
  assert.equal(rankTable(run, changes).total, changes.tokens.length);
  const rows = rankRows(run, changes);
  for (const column of Object.values(rows)) assert.equal(column.length, changes.tokens.length);
});

test('before a second record there is nothing to compare, and the words say so', () => {
  const early = replayed(9);
  const changes = rankChanges(early, head, [0, early.step]);
  assert.equal(changes, undefined);
  assert.match(aboutRanks(early, changes, undefined)[0]!.text, /recorded every 16 steps/);
});
