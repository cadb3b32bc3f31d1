/** JupyterLab and the pages of tests load the same styles, and those are all that there are. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const folder = join(import.meta.dirname, '../../lab-extension/style');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

test('the module of styles that JupyterLab loads is the list that pages load', () => {
  assert.equal(read('index.js').trim(), "import './index.css';");
});

test('the list names every style sheet once', () => {
  const named = [...read('index.css').matchAll(/@import url\("(.+)"\);/g)].map(([, name]) => name);
  const there = readdirSync(folder).filter((name) => name.endsWith('.css') && name !== 'index.css');
  assert.deepEqual([...named].sort(), there.sort());
});
