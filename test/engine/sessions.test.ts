import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from '@kvlab/ops';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { loadTiny } from './tiny-model.ts';
import { walk } from './walk.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

test('a second run of a method opens no session: runs of one model share their small graphs', async () => {
  let opened = 0;
  const { runtime } = model;
  const create: typeof runtime.create = (...args) => {
    opened++;
    return runtime.create(...args);
  };
  const counted: Model = { ...model, runtime: { ...runtime, create } };
  for (const method of [
    methods.kivi({ group: 8, residual: 16 }),
    methods.h2o({ keep: 0.3 }),
    methods.keyDiff({ keep: 0.5 }),
  ]) {
    opened = 0;
    await walk(counted, method);
    assert.ok(opened > 0);
    opened = 0;
    await walk(counted, method);
    assert.equal(opened, 0, method.name);
  }
});
