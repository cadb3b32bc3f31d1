import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskTree, turns } from '@kvlab/ops';

const parts = (pieces: string[]) =>
  taskTree()
    .cut(pieces)
    .map(({ from, to, open, within, conclusion }) => ({
      text: pieces.slice(from, to).join(''),
      open,
      within,
      ...(conclusion ? { conclusion } : {}),
    }));

test('lists of subtasks, their tasks and conclusions are found by token', () => {
  const pieces = ['{"sub', 'tasks":', '[', '{"conclusion', '": "d', 'one"', '}', ']', ', "next'];
  assert.deepEqual(parts(pieces), [
    { text: '[{"conclusion": "done"}]', open: false, within: -1 },
    { text: '{"conclusion": "done"}', open: false, within: 0 },
    { text: '": "done"', open: false, within: 1, conclusion: true },
  ]);
});

test('what has not ended is open', () => {
  const found = parts(['{"subtasks":[', '{"conclusion":"half']);
  assert.deepEqual(
    found.map(({ open }) => open),
    [true, true, true],
  );
});

test('brackets and marks inside strings, other lists and escaped quotes open nothing', () => {
  assert.deepEqual(parts(['{"thought":"a [ { \\" ', '","steps":["x"],"n":1}']), []);
});

test('turns give one segment for the text, and none for no text', () => {
  assert.equal(turns().cut(['a', 'b'])[0]!.to, 2);
  assert.deepEqual(turns().cut([]), []);
});
