import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { lab, operators } from '../../kernel/src/index.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Runs a script in a folder of the repository, where packages are found as a reader's script finds them. */
async function runScript(code: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const folder = join(root, 'test/output');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `readme-${process.pid}.ts`);
  writeFileSync(file, code);
  try {
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [stdout, stderr] = [child.stdout, child.stderr].map(async (stream) => (await stream.toArray()).join(''));
    const ended = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code: ended, stdout: (await stdout)!, stderr: (await stderr)! };
  } finally {
    rmSync(file);
  }
}

test('the five lines of the README run as they stand and print what it says', async () => {
  const [, example] = /```ts\n([\s\S]*?)```/.exec(read('README.md')) ?? [];
  assert.equal(example?.trim().split('\n').length, 5);
  const { code, stdout, stderr } = await runScript(example!);
  assert.equal(code, 0, stderr);
  const [, text, count, positions, bytes] = /^([\s\S]*)\nInt32Array\((\d+)\) \[([\s\S]*)\] (\d+)\n$/.exec(stdout) ?? [];
  assert.ok(text, stdout);
  assert.equal(count, '12', 'the budget of the example in entries');
  const kept = positions!.split(',').map(Number);
  assert.deepEqual(
    kept,
    [...kept].sort((a, b) => a - b),
    'positions come in time order',
  );
  assert.ok(Number(bytes) >= 12 * 46_080, 'the buffers hold at least the entries');
});

test('every call that the README names is there', () => {
  const text = read('README.md');
  const calls = [...text.matchAll(/`lab\.(\w+)\(/g)].map((call) => call[1]!);
  assert.ok(calls.length >= 8);
  assert.deepEqual(
    calls.filter((call) => !(call in lab)),
    [],
  );
  const named = [...text.matchAll(/`ops\.(\w+)\(/g)].map((call) => call[1]!);
  assert.deepEqual(
    named.filter((name) => !(name in operators)),
    [],
  );
});

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...listed('docs'), ...listed('docs/decisions')];

function listed(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`);
}

for (const path of documents)
  test(`every link inside the repository leads somewhere: ${path}`, () => {
    const links = [...read(path).matchAll(/\]\((?!https?:)([^)#]+)/g)].map((link) => link[1]!);
    const broken = links.filter((link) => !existsSync(join(root, dirname(path), link)));
    assert.deepEqual(broken, []);
  });

test('every file that the architecture names is there', () => {
  const text = read('docs/architecture.md');
  const named = [...text.matchAll(/`([\w-]+(?:\/[\w.-]+)+)`/g)].map((name) => name[1]!);
  const places = ['', 'kernel/src', 'kernel/src/engine', 'lab-extension/src'];
  assert.ok(named.length > 20);
  assert.deepEqual(
    named.filter((name) => !places.some((place) => existsSync(join(root, place, name)))),
    [],
  );
});
