import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { depths } from 'kvlab/frame';
import { lessonFolder, readNotebook, textOf } from './executed.ts';

const names = readdirSync(lessonFolder).filter((name) => name.endsWith('.ipynb'));

test('there is at least one lesson, and each is numbered and executed by a test of its name', () => {
  assert.ok(names.length > 0);
  for (const name of names) {
    assert.match(name, /^\d\d-[a-z-]+\.ipynb$/);
    const file = join(import.meta.dirname, name.replace(/\.ipynb$/, '.test.ts'));
    assert.ok(existsSync(file), `${name} is executed by no test; write ${file}`);
  }
});

for (const name of names)
  test(`${name} is saved without outputs, for our kernel, and asks a question at the end of each section`, () => {
    const { metadata, cells } = readNotebook(join(lessonFolder, name));
    assert.equal(metadata.kernelspec?.name, 'kvlab');
    for (const { cell_type, id, outputs, execution_count } of cells)
      if (cell_type === 'code') assert.deepEqual([id, outputs, execution_count], [id, [], null]);
    const text = cells.filter(({ cell_type }) => cell_type === 'markdown').map(({ source }) => textOf(source));
    const sections = text.join('\n\n').split(/^## /m).slice(1);
    assert.ok(sections.length > 0);
    for (const section of sections) {
      const last = section.trim().split('\n\n').at(-1)!;
      assert.match(last, /^\*\*Question\.\*\* .*\?/s, `section ${section.split('\n')[0]} ends with: ${last}`);
    }
  });

/** The depth with which a lesson opens the lab. */
function depthOf(name: string): string | undefined {
  const { cells } = readNotebook(join(lessonFolder, name));
  const shown = cells.filter(({ cell_type, source }) => cell_type === 'code' && /lab\.show\(/.test(textOf(source)));
  return /lab\.show\(\{[^}]*depth: '(\w+)'/.exec(textOf(shown[0]?.source))?.[1];
}

test('every lesson opens the lab with a depth: the first with few controls, the one on writing a method with all', () => {
  const found = new Map(names.map((name) => [name.slice(0, 2), depthOf(name)]));
  for (const [lesson, depth] of found)
    assert.ok((depths as readonly string[]).includes(String(depth)), `lesson ${lesson}: ${depth}`);
  assert.deepEqual([found.get('01'), found.get('03')], ['student', 'researcher']);
});
