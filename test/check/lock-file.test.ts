import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './sources.ts';

interface Locked {
  version?: string;
  optionalDependencies?: Record<string, string>;
}

/** Optional packages, as those of other platforms, that the lock file has no entry for: `npm ci` refuses such a file. */
function missingOptionals(packages: Record<string, Locked>): string[] {
  return Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {})
      .filter((name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`])
      .map((name) => `${name}, which ${path || 'package.json'} names`),
  );
}

const text = readFileSync(join(root, 'package-lock.json'), 'utf8');
const { packages }: { packages: Record<string, Locked> } = JSON.parse(text);

test('the lock file holds the packages of every platform', () => {
  assert.deepEqual(missingOptionals(packages), []);
});

test('the lock file names no host to download from', () => {
  assert.doesNotMatch(text, /"resolved": "http/);
});

test('an optional package without an entry in the lock file is found', () => {
  const biome = { version: '1.0.0', optionalDependencies: { 'cli-linux': '1.0.0', 'cli-mac': '1.0.0' } };
  const partial = { '': {}, 'node_modules/biome': biome, 'node_modules/cli-linux': { version: '1.0.0' } };
  assert.deepEqual(missingOptionals(partial), ['cli-mac, which node_modules/biome names']);
});
