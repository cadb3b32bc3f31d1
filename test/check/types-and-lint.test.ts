import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { root } from './sources.ts';

const biome = '@biomejs/biome/bin/biome';
const runFile = promisify(execFile);

/** What a program prints when it fails, or nothing when it succeeds. */
async function complaints(script: string, args: string[]): Promise<string> {
  try {
    await runFile(process.execPath, [join(root, 'node_modules', script), ...args], { cwd: root, maxBuffer: 1 << 26 });
    return '';
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return `${stdout}${stderr}`.trim() || String(error);
  }
}

/** Checks a package against the sources of the packages that it imports, so that nothing has to be built first. */
function typeComplaints(project: string): Promise<string> {
  const notes = join(root, 'node_modules', '.kvlab', `types-${project}.tsbuildinfo`);
  const sources = ['--customConditions', 'kvlab-source', '--rootDir', '.'];
  const args = ['--noEmit', '--incremental', '--tsBuildInfoFile', notes, '-p', project, ...sources];
  return complaints('typescript/bin/tsc', args);
}

describe('types', { concurrency: 2 }, () => {
  for (const project of ['kernel', 'lab-extension', 'test', 'ops']) {
    test(`the types of ${project} hold`, async () => {
      const found = await typeComplaints(project);
      assert.ok(found === '', `\n${found}`);
    });
  }
});

test('every file is formatted, and the linter has nothing to say', async () => {
  const found = await complaints(biome, ['ci', '--colors=off', '--max-diagnostics=40', '.']);
  assert.ok(found === '', `\n${found}`);
});

test('the linter finds a default export, an any, and a Node module without its prefix', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-lint-'));
  const { vcs: _, ...settings } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
  writeFileSync(join(folder, 'biome.json'), JSON.stringify(settings));
  writeFileSync(join(folder, 'planted.ts'), "import fs from 'fs';\n\nconst a: any = fs;\nexport default a;\n");
  const found = await complaints(biome, ['lint', '--colors=off', `--config-path=${folder}`, folder]);
  rmSync(folder, { recursive: true });
  for (const rule of ['noDefaultExport', 'noExplicitAny', 'useNodejsImportProtocol']) {
    assert.match(found, new RegExp(rule));
  }
});
