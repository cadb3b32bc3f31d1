/** What holds which bytes at a step, and what moved between tiers, from a recorded run and from one made by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteParts, type Columns, decodeFrame, encodeFrame, links, tiers } from 'kvlab/frame';
import { describeMemory } from '../../lab-extension/src/panels/memory-over-time/describe.ts';
import { encodeMemory } from '../../lab-extension/src/panels/memory-over-time/encode.ts';
import { encodeMoves } from '../../lab-extension/src/panels/memory-over-time/moves.ts';
import { encodeParts, type PartBox } from '../../lab-extension/src/panels/memory-over-time/parts.ts';
import type { Said } from '../../lab-extension/src/panels/words.ts';
import type { Run } from '../../lab-extension/src/store/run.ts';
import { createStore, receiveFrame, shownRun } from '../../lab-extension/src/store/store.ts';
import { type RecordedName, recordedSnapshot } from './replayed.ts';

const words = (said: Said) => said.caption.map((phrase) => phrase.text).join('');
const sum = (list: readonly PartBox[]) => list.reduce((all, { bytes }) => all + bytes, 0);

/** A recorded run, with columns of our own in place of its. */
function opened(name: RecordedName, own: (columns: Columns, zones: number) => Columns = () => ({})): Run {
  const { header, buffer } = recordedSnapshot(name);
  const columns = decodeFrame(header, buffer);
  const { columns: _, ...rest } = header;
  const frame = encodeFrame({ ...rest, snapshot: true }, { ...columns, ...own(columns, header.info!.zones.length) });
  const store = createStore();
  receiveFrame(store, frame.header, frame.buffer);
  return shownRun(store)!;
}

/** A run with three tiers: each zone has two thirds of its bytes on the device, a third on the host, and as much again in a file. */
const tiered = opened('kivi', (columns, zones) => {
  const rows = columns['step.index']!.shape[0]!;
  const [held, size] = [columns['bytes.held']!.data, zones * byteParts.length];
  const log = (shape: number[], of: (i: number) => number) => ({
    lane: 'log' as const,
    shape,
    data: Float64Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => of(i)),
  });
  const thirds = [2, 1, 1];
  return {
    'tier.zones': log([rows, tiers.length, zones, byteParts.length], (i) => {
      const [row, tier, at] = [Math.floor(i / size / 3), Math.floor(i / size) % 3, i % size];
      return (held[row * size + at]! * thirds[tier]!) / 3;
    }),
    'tier.held': log([rows, tiers.length], (i) => (i % 3) + 1),
    // Link l moves l + 1 bytes in every step.
    'tier.moved': log([rows, links.length], (i) => (i % links.length) + 1),
    'tier.moves': { ...log([rows, links.length], () => 0), data: new Uint32Array(rows * links.length).fill(2) },
    'tier.estimatedMs': { ...log([rows], () => 0), data: new Float32Array(rows).fill(0.5) },
  };
});

for (const [name, run] of [
  ['without tiers', opened('kivi')],
  ['with three tiers', tiered],
] as const)
  test(`${name}: zones fill their tiers, parts their zones, and memory is what is held`, () => {
    const row = encodeMemory(run, run.step)!.row;
    const parts = encodeParts(run, row)!;
    const [outer, zones, inner] = parts.levels as [PartBox[], PartBox[], PartBox[]];
    const held = encodeMemory(run, run.step)!.held[row]!;
    assert.ok(Math.abs(parts.total - parts.file - held) < 1e-6 * held);
    for (const [boxes, within] of [
      [zones, outer],
      [inner, zones],
    ] as const)
      for (const box of within) {
        const own = boxes.filter(({ path }) => path.slice(0, box.path.length).join() === box.path.join());
        assert.ok(Math.abs(sum(own) - box.bytes) < 1e-6 * box.bytes, box.path.join());
        assert.ok(Math.abs(own[0]!.from - box.from) < 1e-6 * parts.total, 'the first begins where its box begins');
      }
    for (const level of parts.levels) {
      assert.ok(Math.abs(sum(level) - parts.total) < 1e-6 * parts.total);
      for (let i = 1; i < level.length; i++)
        assert.ok(Math.abs(level[i - 1]!.from + level[i - 1]!.bytes - level[i]!.from) < 1e-6 * parts.total);
    }
    assert.equal(outer.length, name === 'without tiers' ? 1 : 3);
  });

test('the words name the largest part or the one that is pointed at, and the table has every part', () => {
  const memory = encodeMemory(tiered, tiered.step, 'parts')!;
  const parts = encodeParts(tiered, memory.row)!;
  const say = (pointed?: readonly string[]) => describeMemory(tiered, memory, 'parts', [0, 0], { parts, pointed });
  assert.match(words(say()), /^The largest part: .* MiB, \d+ % of what /);
  assert.match(words(say(['file', 'body'])), /^body, file: \d+\.\d\d MiB, \d+ % of what lies in the file\.$/);
  const table = say().table();
  assert.equal(table.total, parts.levels[2]!.length);
  assert.deepEqual(Object.keys(say().data!()), ['tier', 'zone', 'part', 'bytes', 'share']);
});

test('moves are summed over the steps of the range and named by their ends', () => {
  const all = encodeMoves(tiered, [0, tiered.step])!;
  const few = encodeMoves(tiered, [3, 7])!;
  assert.deepEqual(few.flows, [
    { from: 'host', to: 'device', bytes: 5, moves: 10 },
    { from: 'device', to: 'host', bytes: 10, moves: 10 },
    { from: 'disk', to: 'host', bytes: 15, moves: 10 },
    { from: 'host', to: 'disk', bytes: 20, moves: 10 },
  ]);
  assert.equal(few.estimatedMs, 2.5);
  assert.deepEqual(few.held, [1, 2, 3]);
  assert.ok(all.flows[0]!.bytes > few.flows[0]!.bytes);
  const memory = encodeMemory(tiered, tiered.step, 'moves');
  const said = describeMemory(tiered, memory, 'moves', [3, 7], { moves: few });
  assert.equal(words(said), 'Moved 0.00 MiB between tiers in steps 3 to 7, estimated 2.50 ms by the model of links.');
  assert.equal(said.table().rows.length, 4);
});

test('a method that moves nothing says so', () => {
  const run = opened('quest');
  const moves = encodeMoves(run, [1, run.step])!;
  assert.deepEqual(moves.flows, []);
  const said = describeMemory(run, encodeMemory(run, run.step), 'moves', [0, 0], { moves });
  assert.match(words(said), /^Nothing moved between tiers in steps 1 to 79\.$/);
  assert.equal(encodeMoves(opened('h2o'), [0, 5]), undefined, 'a run with one tier has no moves to tell of');
});
