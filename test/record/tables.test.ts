/** Tables of a run: tidy rows with the numbers of its columns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { op } from 'arquero';
import { byteParts, decodeFrame, encodeFrame, eventKinds } from 'kvlab/frame';
import { type TableName, tableNames, tableOf } from '../../kernel/src/engine/record/tables.ts';
import { syntheticRun } from './synthetic-run.ts';

const snapshot = syntheticRun({ quantizes: true, evictions: 2 });
const columns = decodeFrame(snapshot.header, snapshot.buffer);
const sum = (numbers: ArrayLike<number>) => Array.from(numbers).reduce((a, b) => a + b, 0);
const cells = (table: ReturnType<typeof tableOf>, name: string) => [
  ...(table.array(name) as ArrayLike<unknown> & Iterable<unknown>),
];

test('the table of bytes sums to what was held after each step', () => {
  const held = tableOf(snapshot, 'bytes')
    .groupby('step')
    .rollup({ bytes: op.sum('bytes_held') });
  assert.equal(held.numRows(), 17);
  const size = 3 * byteParts.length;
  for (const [step, bytes] of cells(held, 'bytes').entries())
    assert.equal(bytes, sum(columns['bytes.held']!.data.subarray(step * size, (step + 1) * size)));
});

test('the table of attention has one row for each step, layer and query head', () => {
  const table = tableOf(snapshot, 'attention');
  assert.equal(table.numRows(), 17 * 3 * 4);
  const row = table
    .params({ last: 16 })
    .filter(
      (d: { step: number; layer: number; query_head: number }, $: { last: number }) =>
        d.step === $.last && d.layer === 2 && d.query_head === 1,
    );
  const at = 16 * 12 + 2 * 4 + 1;
  assert.deepEqual(cells(row, 'sink_mass'), [columns['sink.mass']!.data[at]]);
  assert.deepEqual(cells(row, 'entropy'), [columns['attention.entropy']!.data[at]]);
  const received = columns['attention.received']!.data.subarray(9 * 40, 9 * 40 + 4);
  assert.ok(Math.abs((cells(row, 'received_k')[0] as number) - sum(received)) < 1e-6);
  assert.deepEqual(cells(row, 'tokens_seen'), [40]);
});

test('the table of events names kinds, zones and tokens, and leaves gaps where nothing is meant', () => {
  const table = tableOf(snapshot, 'events');
  const kinds = columns['event.kind']!.data;
  const leave = eventKinds.indexOf('leave');
  assert.equal(table.numRows(), kinds.length);
  const left = table.filter((d: { event: string }) => d.event === 'leave');
  assert.equal(left.numRows(), [...kinds].filter((kind) => kind === leave).length);
  assert.deepEqual(new Set(cells(left, 'to')), new Set([null]));
  assert.deepEqual(new Set(cells(left, 'from')), new Set(['recent']));
  assert.deepEqual(new Set(cells(table, 'target')), new Set([null]));
  const positions = cells(table, 'position') as number[];
  assert.deepEqual(
    cells(table, 'token'),
    positions.map((position) => snapshot.header.texts[position]!.text),
  );
});

test('the table of quantization tells layers, channels and positions apart and has no empty rows', () => {
  const table = tableOf(snapshot, 'quantization');
  const count = table.groupby('scope').count();
  assert.deepEqual(Object.fromEntries(cells(count, 'scope').map((scope, i) => [scope, cells(count, 'count')[i]])), {
    layer: 3 * 2,
    channel: 3 * 2 * 128,
    position: 3 * 2 * 40,
  });
  assert.ok(cells(table, 'mse').every((mse) => Number.isFinite(mse)));
  const keys = table.filter((d: { scope: string; side: string }) => d.scope === 'layer' && d.side === 'keys');
  assert.deepEqual(cells(keys, 'snr_db'), [14, 14, 14]);
  const position = table.filter(
    (d: { scope: string; layer: number; side: string; position: number }) =>
      d.scope === 'position' && d.layer === 1 && d.side === 'values' && d.position === 7,
  );
  assert.deepEqual(cells(position, 'bits'), [2]);
  assert.deepEqual(cells(position, 'mse'), [columns['quantization.token']!.data[3 * 40 + 7]! ** 2]);
});

test('the table of tokens says how many heads kept each one', () => {
  const table = tableOf(snapshot, 'tokens');
  const zones = columns['entry.zoneKeys']!.data;
  const kept = Array.from(
    { length: 40 },
    (_, t) => [0, 1, 2, 3, 4, 5].filter((head) => zones[head * 40 + t] !== 255).length / 6,
  );
  assert.deepEqual(cells(table, 'kept'), kept);
  assert.deepEqual(
    cells(table, 'text'),
    snapshot.header.texts.map(({ text }) => text),
  );
  assert.deepEqual(cells(table, 'log_prob'), [...columns['token.logProb']!.data]);
});

test('names of columns are in snake case, and all columns of a table are as long', () => {
  for (const name of tableNames.filter((name) => !['comparison', 'reads', 'dense', 'tiers'].includes(name))) {
    const table = tableOf(snapshot, name);
    for (const column of table.columnNames()) {
      assert.match(column, /^[a-z]+(_[a-z]+)*$/);
      assert.equal(cells(table, column).length, table.numRows(), `${name}.${column}`);
    }
  }
});

test('a run without evictions has a table of events with no rows', () => {
  assert.equal(tableOf(syntheticRun({ evictions: 0, writtenTokens: 0 }), 'events').numRows(), 0);
});

test('what was not recorded and what is not known are refused with what to do', () => {
  assert.throws(
    () => tableOf(syntheticRun(), 'quantization'),
    /run synthetic \(random\) has no quantization\.layer .* run a method that stores rows in fewer bits/,
  );
  assert.throws(
    () => tableOf(snapshot, 'byte' as TableName),
    /no table byte; ask for one of bytes, attention, events, quantization, tokens/,
  );
  const none = { lane: 'log' as const, shape: [0], data: new Uint32Array(0) };
  assert.throws(
    () => tableOf(encodeFrame(snapshot.header, { 'dense.step': none, 'dense.tokens': none }), 'dense'),
    /run synthetic kept no row of dense; generate with the heads in record/,
  );
  assert.throws(
    () => tableOf(encodeFrame(snapshot.header, {}), 'attention'),
    /has no sink\.mass for table attention; generate with record: true/,
  );
});
