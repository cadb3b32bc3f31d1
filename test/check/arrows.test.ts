import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrows, arrowViolations, scatteredAdapters } from './arrows.ts';
import { repositorySources } from './sources.ts';

const violations = (path: string, text: string) => arrowViolations([{ path, text }]);

test('imports follow the arrows of the architecture', () => {
  assert.deepEqual(arrowViolations(repositorySources(/\.ts$|^kernel\/start\/.*\.mjs$/)), []);
});

test('tslab is imported by one file only', () => {
  assert.deepEqual(scatteredAdapters(repositorySources(/\.ts$/)), []);
});

test('every exception of the arrows names a file that exists', () => {
  const paths = new Set(repositorySources(/\.ts$/).map(({ path }) => path));
  const missing = arrows.flatMap(({ exceptions }) => Object.keys(exceptions ?? {})).filter((path) => !paths.has(path));
  assert.deepEqual(missing, []);
});

test('an operator that reads the engine, Node or a package is found', () => {
  assert.equal(violations('ops/score/x.ts', "import { a } from '../../kernel/src/engine/a.ts';").length, 1);
  assert.equal(violations('ops/score/x.ts', "import fs from 'node:fs';").length, 1);
  assert.equal(violations('ops/score/x.ts', "export * from 'arquero';").length, 1);
  assert.deepEqual(violations('ops/score/x.ts', "import { operator } from '../operator.ts';"), []);
});

test('an engine file that needs Node is found, unless it is the listed one', () => {
  const text = "const { readFile } = await import('node:fs/promises');";
  assert.equal(violations('kernel/src/engine/cache/x.ts', text).length, 1);
  assert.deepEqual(violations('kernel/src/engine/runtime/node.ts', text), []);
});

test('an engine file that knows the protocol is found, also when it only takes a type', () => {
  const text = "import type { Comm } from '../../protocol/comm.ts';";
  assert.match(violations('kernel/src/engine/cache/x.ts', text)[0], /must not import kernel\/src\/protocol\/comm\.ts/);
});

test('the library may read its neighbours and the engine, and neither cells nor protocol', () => {
  assert.deepEqual(violations('kernel/src/lab.ts', "import './shown.ts'; import './engine/run/sequence.ts';"), []);
  assert.equal(violations('kernel/src/lab.ts', "import './cells/display.ts'; import './protocol/main.ts';").length, 2);
});

test('a panel that reaches into the kernel is found, while the frame schema is allowed', () => {
  assert.equal(violations('lab-extension/src/a.ts', "import { lab } from 'kvlab';").length, 1);
  assert.equal(violations('lab-extension/src/a.ts', "import '../../kernel/src/host.ts';").length, 1);
  assert.deepEqual(violations('lab-extension/src/a.ts', "import type { Frame } from 'kvlab/frame';"), []);
});

test('a second file that imports tslab is found', () => {
  const text = "import { createConverter } from 'tslab/dist/converter.js';";
  const first = { path: 'kernel/src/cells/compile.ts', text };
  assert.deepEqual(scatteredAdapters([first]), []);
  assert.equal(scatteredAdapters([first, { path: 'kernel/src/cells/b.ts', text }]).length, 1);
});
