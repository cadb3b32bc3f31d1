/** Saved runs: what an Arrow file gives back is the run, bit for bit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromArrow } from 'arquero';
import { type Columns, decodeFrame, encodeFrame } from 'kvlab/frame';
import { openRun, saveRun } from '../../kernel/src/engine/record/arrow.ts';
import { syntheticRun } from './synthetic-run.ts';

const snapshot = syntheticRun({
  quantizes: true,
  texts: [{ text: '<s>', special: true }, { text: '⟨e2 80⟩', bytes: true }, { text: '  "\n' }],
});

test('a run that is saved and opened is the same run, to the last bit', () => {
  const opened = openRun(saveRun(snapshot));
  assert.deepEqual(opened.header, snapshot.header);
  assert.deepEqual(Buffer.from(opened.buffer), Buffer.from(snapshot.buffer));
});

test('columns without rows and values that are no numbers survive', () => {
  const columns: Columns = {
    'event.step': { lane: 'log', shape: [0], data: new Uint32Array(0) },
    'event.into': { lane: 'log', shape: [3], data: Int32Array.of(-1, 0, 2 ** 31 - 1) },
    'bytes.budget': {
      lane: 'log',
      shape: [4],
      data: Float64Array.of(Number.NaN, Number.POSITIVE_INFINITY, -0, 2 ** 53),
    },
    'sink.mass': { lane: 'log', shape: [1, 2, 2], data: Float32Array.of(0.1, Number.NaN, -0, 1) },
    'entry.zoneKeys': { lane: 'state', shape: [1, 1, 3], data: Uint8Array.of(0, 255, 7) },
    'quantization.bits': { lane: 'state', shape: [0, 2, 3], data: new Uint8Array(0) },
    'token.position': { lane: 'log', shape: [2], data: Uint16Array.of(0, 65535) },
  };
  const frame = encodeFrame(snapshot.header, columns);
  const opened = openRun(saveRun(frame));
  assert.deepEqual(opened.header.columns, frame.header.columns);
  assert.deepEqual(decodeFrame(opened.header, opened.buffer), decodeFrame(frame.header, frame.buffer));
});

test('a long run costs no more than its numbers', () => {
  const long = syntheticRun({ promptTokens: 100, writtenTokens: 100, layers: 8, queryHeads: 8, kvHeads: 4 });
  const bytes = saveRun(long).length;
  assert.ok(bytes < long.buffer.byteLength * 1.1 + 40_000, `${bytes} for ${long.buffer.byteLength}`);
});

test('other readers of Arrow find each column as a list', () => {
  const table = fromArrow(saveRun(snapshot));
  const expected = decodeFrame(snapshot.header, snapshot.buffer)['sink.mass']!.data;
  assert.equal(table.numRows(), 1);
  assert.deepEqual([...(table.get('sink.mass', 0) as Iterable<number>)], [...expected]);
});

test('bytes that are no saved run are refused with what they are', () => {
  assert.throws(
    () => openRun(new TextEncoder().encode('no arrow at all')),
    /15 bytes are no Arrow file; open a file that run\.save wrote/,
  );
  assert.throws(
    () => openRun(saveRun(snapshot).subarray(0, 2000)),
    /^Error: arrow: .*; open a file that run\.save wrote/,
  );
});
