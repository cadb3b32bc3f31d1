import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ideaOf, opsReadme, readmePath } from './ops-readme.ts';

test('ops/README.md is what the lists of operators and methods say', () => {
  const found = existsSync(readmePath) ? readFileSync(readmePath, 'utf8') : '';
  assert.ok(
    found === opsReadme(),
    'ops/README.md is out of date; run node --conditions=kvlab-source test/check/ops-readme.ts',
  );
});

test('the idea of a file is the first paragraph of its first comment', () => {
  assert.equal(ideaOf('/** One idea\n *  in two lines.\n *\n *  A paper. */\nexport {};'), 'One idea in two lines.');
  assert.equal(ideaOf('export {};'), '');
});

test('every method and operator says its idea', () => {
  for (const [heading, body] of opsReadme().matchAll(/^### .*\n(.*)$/gm))
    assert.ok(body?.trim(), `${heading} has none`);
});
