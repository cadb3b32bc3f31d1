import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runPython } from './python.ts';

test('all 13 tests of jupyter_kernel_test pass, none skipped', async () => {
  const { code, output } = await runPython([fileURLToPath(new URL('conformance.py', import.meta.url))]);
  assert.equal(code, 0, output);
  assert.match(output, /Ran 13 tests/);
  assert.doesNotMatch(output, /skipped/);
});
