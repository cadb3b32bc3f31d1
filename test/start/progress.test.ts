import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberedSteps } from '../../kernel/start/progress.mjs';

test('a step says its number, what it does, and what came of it', async () => {
  const lines: string[] = [];
  const step = numberedSteps(2, (line: string) => lines.push(line));
  await step('Fetch the model', (say: (words: string) => void) => {
    say('from somewhere');
    return 'fetched';
  });
  assert.equal(lines[0], '[1/2] Fetch the model');
  assert.equal(lines[1].trim(), 'from somewhere');
  assert.match(lines[2], /^ {6}fetched \(\d+\.\d s\)$/);
});

test('a failing step fails, and the next one still has the next number', async () => {
  const lines: string[] = [];
  const step = numberedSteps(2, (line: string) => lines.push(line));
  await assert.rejects(
    step('Fetch', () => Promise.reject(new Error('no network'))),
    /no network/,
  );
  await step('Build', () => 'built');
  assert.equal(lines[1], '[2/2] Build');
});
