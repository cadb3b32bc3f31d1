import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { descendants, isAlive } from '../../kernel/start/processes.mjs';

const root = join(import.meta.dirname, '../..');

/** 15 s on two cores that have nothing else to do, and in proportion longer on a machine that works on more than it can. */
const secondStartMs = () => 15_000 * Math.max(1, loadavg()[0]! / availableParallelism());

/** No package index can be reached, so that whatever asks one fails. */
const offline = {
  HTTP_PROXY: 'http://127.0.0.1:9',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  NO_PROXY: '127.0.0.1,localhost',
  PIP_NO_INDEX: '1',
  UV_OFFLINE: '1',
  npm_config_offline: 'true',
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

function start(
  t: TestContext,
  args: string[],
): {
  child: ChildProcess;
  output: () => string;
  page: Promise<URL>;
  ended: Promise<number | null>;
} {
  const env = { ...process.env, ...offline };
  const child = spawn('node', [join(root, 'kernel/start/start.mjs'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise<number | null>((done) => child.on('exit', done));
  t.after(async () => {
    if (child.exitCode === null) child.kill('SIGTERM');
    await ended;
  });
  const page = new Promise<URL>((done, fail) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const found = output.match(/http:\/\/127\.0\.0\.1:\S+token=[0-9a-f]+/);
      if (found) done(new URL(found[0]));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.on('exit', () => fail(new Error(`npm start ended before it was ready:\n${output}`)));
  });
  page.catch(() => {});
  return { child, output: () => output, page, ended };
}

test('a second start without a network is ready within 15 s, asks for the token, knows the kernel, and ends with all it started', async (t) => {
  const port = await freePort();
  const began = performance.now();
  const { child, output, page, ended } = start(t, ['--no-browser', '--port', String(port)]);
  const url = await page;
  const took = performance.now() - began;
  assert.ok(took < secondStartMs(), `ready after ${Math.round(took)} ms, load ${loadavg()[0]}`);
  assert.match(output(), /\[1\/6\] npm packages[\s\S]*\[6\/6\] JupyterLab/);

  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${url.origin}${path}`, { ...init, headers: { Authorization: `token ${url.searchParams.get('token')}` } });
  assert.equal((await fetch(`${url.origin}/api/kernelspecs`)).status, 403);
  const specs = (await (await ask('/api/kernelspecs')).json()) as {
    kernelspecs: Record<string, { spec: { argv: string[] } }>;
  };
  assert.equal(specs.kernelspecs.kvlab?.spec.argv[1], join(root, 'kernel/dist/protocol/main.js'));
  assert.equal((await ask(url.pathname)).status, 200);
  assert.equal((await ask('/api/kernels', { method: 'POST', body: JSON.stringify({ name: 'kvlab' }) })).status, 201);

  const started = await descendants(child.pid ?? 0);
  assert.ok(started.length >= 2, `JupyterLab and a kernel, got processes ${started}`);
  child.kill('SIGINT');
  assert.equal(await ended, 0);
  assert.deepEqual(started.filter(isAlive), []);
});

test('a start that is interrupted while JupyterLab comes up leaves no process behind', async (t) => {
  const { child, output, ended } = start(t, ['--no-browser', '--port', String(await freePort())]);
  while (!output().includes('[6/6]')) {
    const early = await Promise.race([
      ended,
      new Promise<undefined>((done) => child.stdout?.once('data', () => done(undefined))),
    ]);
    assert.equal(early, undefined, `npm start ended before JupyterLab came up:\n${output()}`);
  }
  let started: number[] = [];
  while (started.length === 0 && child.exitCode === null) started = await descendants(child.pid ?? 0);
  child.kill('SIGTERM');
  await ended;
  assert.deepEqual(started.filter(isAlive), []);
});
