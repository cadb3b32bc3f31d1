import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { kernelMain } from './client.ts';

const cli = join(kernelMain, '..', 'install', 'cli.js');

function kvlab(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [cli, ...args], {
    encoding: 'utf8',
    timeout: 90_000,
    env: { ...process.env, ...env },
  });
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'kvlab-install-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('install writes a kernelspec with logos below a prefix, and uninstall takes it away', (t) => {
  const prefix = folder(t);
  const target = join(prefix, 'share', 'jupyter', 'kernels', 'kvlab');
  const { status, stdout, stderr } = kvlab(['install', '--prefix', prefix]);
  assert.equal(status, 0, stderr);
  assert.ok(stdout.includes(target));
  assert.deepEqual(readdirSync(target).sort(), ['kernel.json', 'logo-32x32.png', 'logo-64x64.png', 'logo-svg.svg']);
  const spec = JSON.parse(readFileSync(join(target, 'kernel.json'), 'utf8'));
  assert.deepEqual(spec.argv, [process.execPath, kernelMain, '{connection_file}']);
  assert.equal(spec.language, 'typescript');
  assert.equal(spec.interrupt_mode, 'message');
  assert.match(kvlab(['uninstall', '--prefix', prefix]).stdout, /no longer registered/);
  assert.equal(existsSync(target), false);
  assert.match(kvlab(['uninstall', '--prefix', prefix]).stdout, /was not registered/);
});

test('--user installs into the data folder of Jupyter', (t) => {
  const data = folder(t);
  assert.equal(kvlab(['install', '--user'], { JUPYTER_DATA_DIR: data }).status, 0);
  assert.ok(existsSync(join(data, 'kernels', 'kvlab', 'kernel.json')));
});

test('doctor runs a cell, names the device, and fails with a remedy where there is no kernelspec', (t) => {
  const prefix = folder(t);
  const ill = kvlab(['doctor', '--prefix', prefix]);
  assert.equal(ill.status, 1);
  assert.match(ill.stdout, /FAIL kernelspec none at .*\n {5}what to do: run kvlab install/);
  kvlab(['install', '--prefix', prefix]);
  const well = kvlab(['doctor', '--prefix', prefix]);
  assert.equal(well.status, 0, well.stdout);
  assert.match(well.stdout, /^ok {3}versions {3}kvlab .*TypeScript 5.*Node 24/m);
  assert.match(well.stdout, /^ok {3}kernel {5}a cell ran and answered 42/m);
  assert.match(well.stdout, /^ok {3}device {5}\S/m);
});

test('an unknown command and an unknown flag are said', () => {
  assert.match(kvlab(['instal']).stderr, /there is no command instal; commands are install, uninstall and doctor/);
  assert.equal(kvlab(['install', '--nowhere']).status, 1);
});
