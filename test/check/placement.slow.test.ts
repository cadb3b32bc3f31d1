import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { placementPath, placementText } from './placement.ts';

test('docs/placement.md says where the runtime puts the nodes of every graph', async () => {
  assert.ok(
    readFileSync(placementPath, 'utf8') === (await placementText()),
    'docs/placement.md is out of date; run node --conditions=kvlab-source test/check/placement.ts',
  );
});
