import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figure, median, tableLines } from '../bench/report/table.ts';

test('a table of figures is Markdown with words to the left and figures to the right', () => {
  assert.deepEqual(
    tableLines(
      ['method', 'tokens/s'],
      [
        ['full', 31.4159],
        ['h2o', undefined],
      ],
    ),
    ['| method | tokens/s |', '| ------ | -------: |', '| full   |     31.4 |', '| h2o    |        - |'],
  );
});

test('a figure has three significant digits, and a whole or large one all its digits', () => {
  assert.deepEqual([0.012345, 2.5, 40, 1234.5, 6491520].map(figure), ['0.0123', '2.5', '40', '1235', '6491520']);
});

test('the median is the middle value, or the mean of the two in the middle', () => {
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3]), median([])], [2, 2.5, undefined]);
});
