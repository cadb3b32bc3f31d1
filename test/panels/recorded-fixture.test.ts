/** The committed runs: small, complete, and what they say of themselves. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { columnCatalogue, decodeFrame, graphColumns, mergeFrames, readColumns } from 'kvlab/frame';
import { framesOf, recordedSnapshot } from './replayed.ts';

test('the recorded runs are at most 1 MiB together', () => {
  const folder = join(import.meta.dirname, '../../fixtures/recorded');
  const files = readdirSync(folder).filter((name) => name.endsWith('.gz'));
  assert.ok(files.length >= 2);
  const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  assert.ok(bytes <= 2 ** 20, `${bytes} bytes`);
});

const known = { ...columnCatalogue, ...readColumns, ...graphColumns };
for (const name of ['h2o', 'kivi', 'quest', 'tree'] as const)
  test(`${name}: every column is one of the schema, and frames of single steps merge to the whole`, () => {
    const whole = recordedSnapshot(name);
    const columns = decodeFrame(whole.header, whole.buffer);
    for (const column of Object.keys(columns)) assert.ok(column in known, column);
    assert.equal(whole.header.info?.recorded, true);
    const merged = [...framesOf(whole)].reduce(mergeFrames);
    const again = decodeFrame(merged.header, merged.buffer);
    for (const [column, { data }] of Object.entries(columns)) assert.deepEqual(again[column]?.data, data, column);
    assert.deepEqual(merged.header.texts, whole.header.texts);
  });
