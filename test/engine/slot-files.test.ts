/** The files that panels link to as the place where a decision was made. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { methods } from '@kvlab/ops';
import { runInfo } from '../../kernel/src/engine/run/info.ts';
import { loadTiny } from './tiny-model.ts';

test('every slot that a method of the library sets names the file of its operator', async () => {
  const model = await loadTiny('wasm');
  const missing: string[] = [];
  let named = 0;
  for (const make of Object.values(methods)) {
    const method = make();
    const { slots } = runInfo({ model, method }, { run: 'run', title: 'run', promptLength: 4 }).method;
    for (const { slot, file } of slots) {
      if (file === undefined) continue;
      named += 1;
      if (!existsSync(join(import.meta.dirname, '../..', file))) missing.push(`${method.name} ${slot}: ${file}`);
    }
  }
  assert.deepEqual(missing, []);
  await model.release();
  assert.ok(named > 60, `${named} slots name a file`);
});
