import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clones } from './clones.ts';
import { repositorySources } from './sources.ts';

test('no arithmetic stands twice in the operator library', () => {
  // Declarations repeat their slots by design: a reader sees a whole method in one place.
  const library = repositorySources().filter(({ path }) => /^ops\/(?!methods\/)/.test(path));
  assert.deepEqual(clones(library), []);
});

const loop =
  'for (let h = 0; h < Hkv; h++) for (let t = 0; t < T; t++) score.set(keys.get(h, t, 0) * 2 + h - t, h, t);';

test('a loop that stands in two files is found once, with both places', () => {
  const found = clones([
    { path: 'ops/score/a.ts', text: `const a = 1;\n${loop}` },
    { path: 'ops/score/b.ts', text: `const b = 2;\n\n/** Another comment. */\n${loop}` },
  ]);
  assert.equal(found.length, 1);
  assert.match(found[0]!, /^ops\/score\/b\.ts:\d: 50 tokens stand at ops\/score\/a\.ts:\d too/);
});

test('a copy inside one file is found, and equal imports are not', () => {
  assert.equal(clones([{ path: 'ops/a.ts', text: `${loop}\n${loop}` }]).length, 1);
  const imports = Array.from({ length: 20 }, (_, i) => `import { a${i} } from './a${i}.ts';`).join('\n');
  const files = ['ops/a.ts', 'ops/b.ts'].map((path) => ({ path, text: imports }));
  assert.deepEqual(clones(files), []);
});
