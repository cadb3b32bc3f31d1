import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, test } from 'node:test';
import { plan } from '../stages.mjs';
import { newTally, slowest, totals } from '../tally.mjs';

const root = mkdtempSync(join(tmpdir(), 'kvlab-stages-'));
after(() => rmSync(root, { recursive: true }));
for (const file of [
  'check/lint.test.ts',
  'ops/score.test.ts',
  'ops/notes.ts',
  'model/parity.slow.test.ts',
  'kernel/wire.test.ts',
  'bench/decode.ts',
]) {
  mkdirSync(dirname(join(root, 'test', file)), { recursive: true });
  writeFileSync(join(root, 'test', file), '');
}

/** Stage names with their files below test/. */
function planned(options = {}): Record<string, string[]> {
  const named = (path: string) => relative(join(root, 'test'), path);
  return Object.fromEntries(plan(root, options).map(({ name, files }) => [name, files.map(named)]));
}

function event(type: 'pass' | 'fail', name: string, more: object = {}) {
  return {
    type: `test:${type}`,
    data: { name, file: '/a.test.ts', details: { duration_ms: 1, type: 'test' }, ...more },
  };
}

/** The totals after these events. */
function total(events: { type: string; data: object }[], allowedSkips = {}): string {
  const tally = newTally(allowedSkips);
  for (const one of events) tally.take(one);
  return totals(tally.tests);
}

test('passed and failed tests are counted, suites and other events are not', () => {
  const suite = event('pass', 'a suite', { details: { duration_ms: 1, type: 'suite' } });
  assert.equal(
    total([event('pass', 'a'), event('fail', 'b'), suite, { type: 'test:diagnostic', data: {} }]),
    '1 passed, 1 failed',
  );
  assert.equal(total([]), '0 passed, 0 failed');
});

test('a skipped test fails unless its reason is on the list, and then it is counted apart', () => {
  const skip = event('pass', 'f16 on a real GPU', { skip: 'no adapter' });
  assert.equal(total([skip]), '0 passed, 1 failed');
  assert.equal(
    total([skip], { 'f16 on a real GPU': 'software adapters have no f16' }),
    '0 passed, 0 failed, 1 skipped',
  );
});

test('a test marked as to do, and a file without a test, have failed', () => {
  assert.equal(total([event('pass', 'later', { todo: true })]), '0 passed, 1 failed');
  assert.equal(total([event('pass', '/a.test.ts')]), '0 passed, 1 failed');
});

test('the slowest tests come first', () => {
  const tests = [3, 1, 2].map((seconds) => ({ name: `takes ${seconds}`, ms: seconds * 1000 }));
  assert.deepEqual(slowest(tests, 2), ['    3.00 s  takes 3', '    2.00 s  takes 2']);
});

test('every test file is in one stage, and a folder without a stage of its own holds units', () => {
  assert.deepEqual(planned(), {
    check: ['check/lint.test.ts'],
    units: ['model/parity.slow.test.ts', 'ops/score.test.ts'],
    kernel: ['kernel/wire.test.ts'],
  });
});

test('the quick check leaves out slow files and what needs a build', () => {
  assert.deepEqual(planned({ quick: true }), { check: ['check/lint.test.ts'], units: ['ops/score.test.ts'] });
});

test('an area, a folder or a file can be asked for by itself', () => {
  for (const wanted of ['ops', 'test/ops', './test/ops/', 'test/ops/score.test.ts', 'ops/score.test.ts']) {
    assert.deepEqual(planned({ wanted: [wanted] }), { units: ['ops/score.test.ts'] });
  }
  assert.deepEqual(planned({ wanted: ['op'] }), {});
});
