import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { arithmeticIn, type Exceptions, emptyNames, overBudget, staleExceptions } from './budgets.ts';
import { repositorySources } from './sources.ts';

const exceptions: Exceptions = JSON.parse(readFileSync(join(import.meta.dirname, 'budgets.json'), 'utf8'));
const isMethod = (path: string) => /^ops\/methods\/.+\.ts$/.test(path);

test('every file keeps to its budget of lines', () => {
  assert.deepEqual(overBudget(repositorySources(), exceptions), []);
});

test('every exception from a budget has a reason and is still needed', () => {
  assert.deepEqual(staleExceptions(repositorySources(), exceptions), []);
});

test('every folder and file is named by what is inside', () => {
  assert.deepEqual(emptyNames(repositorySources(/./).map(({ path }) => path)), []);
});

test('methods contain no arithmetic', () => {
  assert.deepEqual(
    repositorySources()
      .filter(({ path }) => isMethod(path))
      .flatMap(arithmeticIn),
    [],
  );
});

test('a method of 41 lines, an operator of 151 and a file of 401 are found', () => {
  const lines = (count: number) => 'x\n'.repeat(count);
  const check = (path: string, count: number) => overBudget([{ path, text: lines(count) }]).length;
  assert.deepEqual([check('ops/methods/h2o.ts', 40), check('ops/methods/h2o.ts', 41)], [0, 1]);
  assert.deepEqual([check('ops/score/a.ts', 150), check('ops/score/a.ts', 151)], [0, 1]);
  assert.deepEqual([check('kernel/src/a.ts', 400), check('kernel/src/a.ts', 401)], [0, 1]);
});

test('a core of operators that grows over 800 lines in all is found', () => {
  const text = 'x\n'.repeat(300);
  const core = ['ops/operator.ts', 'ops/graph/a.ts', 'ops/graph/b.ts'].map((path) => ({ path, text }));
  assert.equal(overBudget(core).length, 1);
  assert.deepEqual(overBudget(core.slice(1)), []);
});

test('an exception raises the budget of its file, and is called stale when it is not needed', () => {
  const file = { path: 'kernel/src/a.ts', text: 'x\n'.repeat(410) };
  const allowed = { 'kernel/src/a.ts': { lines: 420, why: 'one table' } };
  assert.deepEqual(overBudget([file], allowed), []);
  assert.deepEqual(staleExceptions([file], allowed), []);
  assert.equal(staleExceptions([{ ...file, text: 'x\n' }], allowed).length, 1);
  assert.equal(staleExceptions([], allowed).length, 1);
  assert.equal(staleExceptions([file], { 'kernel/src/a.ts': { lines: 420, why: '' } }).length, 1);
});

test('a folder or a file with an empty name is found', () => {
  assert.deepEqual(emptyNames(['kernel/src/utils/a.ts', 'ops/helper.ts', 'ops/score/common.test.ts']).length, 3);
  assert.deepEqual(emptyNames(['ops/score/recent.ts', 'kernel/src/commons/a.ts']), []);
});

test('arithmetic in a method is found by line, and a negative number is none', () => {
  const find = (text: string) => arithmeticIn({ path: 'ops/methods/x.ts', text });
  assert.match(find('const a = 1;\nexport const b = a * 2;')[0], /^ops\/methods\/x\.ts:2: .*'a \* 2'/);
  assert.equal(find('export const b = Math.max(1, 2);').length, 1);
  assert.equal(find('export let b = 1;\nb += 2;').length, 1);
  assert.deepEqual(find("export const b = { keep: -1, name: 'a-b*c' };"), []);
});
