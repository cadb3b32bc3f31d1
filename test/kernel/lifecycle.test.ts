import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { kernelMain, startKernel, type TestKernel, within } from './client.ts';

async function gone(pid: number, ms = 5000): Promise<void> {
  const ended = () => !existsSync(`/proc/${pid}`) || /State:\s+Z/.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  const end = performance.now() + ms;
  while (!ended()) {
    if (performance.now() > end) throw new Error(`process ${pid} is still there after ${ms} ms`);
    await new Promise((turn) => setTimeout(turn, 20));
  }
}

/** A kernel that is stopped with the test, however that ends. */
async function started(t: TestContext, options: Parameters<typeof startKernel>[0] = {}): Promise<TestKernel> {
  const kernel = await startKernel(options);
  t.after(() => kernel.stop());
  return kernel;
}

const childOf = async (kernel: TestKernel) => Number((await kernel.execute('process.pid')).text);

test('shutdown answers, leaves no process, and ends within two seconds', async (t) => {
  const kernel = await started(t);
  const child = await childOf(kernel);
  const began = performance.now();
  const { content } = await kernel.request('control', 'shutdown_request', { restart: false });
  assert.deepEqual(content, { status: 'ok', restart: false });
  assert.equal(await within(5000, 'shutdown', kernel.exit), 0);
  await gone(child);
  assert.ok(performance.now() - began < 2000);
});

test('shutdown for a restart says so, also while a cell blocks', async (t) => {
  const kernel = await started(t);
  const child = await childOf(kernel);
  kernel.send('shell', 'execute_request', { code: 'console.log("begun"); while (true) {}', silent: false });
  await kernel.until(({ content }) => content.text === 'begun\n');
  const { content } = await kernel.request('control', 'shutdown_request', { restart: true });
  assert.deepEqual(content, { status: 'ok', restart: true });
  await gone(kernel.process.pid!);
  await gone(child);
});

test('when the protocol process is killed its child ends too, even in a loop that never turns', async (t) => {
  const kernel = await started(t);
  const child = await childOf(kernel);
  kernel.send('shell', 'execute_request', { code: 'console.log("begun"); while (true) {}', silent: false });
  await kernel.until(({ content }) => content.text === 'begun\n');
  kernel.process.kill('SIGKILL');
  await gone(child);
});

test('SIGTERM ends both processes', async (t) => {
  const kernel = await started(t);
  const child = await childOf(kernel);
  kernel.process.kill('SIGTERM');
  await gone(kernel.process.pid!);
  await gone(child);
});

const crashes: Record<string, [code: string, says: RegExp]> = {
  'process.exit': ['console.log("last words"); process.exit(3)', /it exited with code 3/],
  'being killed': [
    'console.log("last words"); process.kill(process.pid, "SIGKILL"); while (true) {}',
    /ended by SIGKILL/,
  ],
  'running out of memory': [
    'console.log("last words"); const all: unknown[] = []; while (true) all.push(new Array(1e5).fill(1.5).map((x) => x + Math.random()))',
    /ran out of memory/,
  ],
};
for (const [name, [code, says]] of Object.entries(crashes))
  test(`a process that ends by ${name} is reported in its cell, and the kernel goes on with a fresh one`, async (t) => {
    const kernel = await started(t, { env: { NODE_OPTIONS: '--max-old-space-size=200' } });
    await kernel.execute('let before = 1; comms.register("gone", () => {});');
    kernel.send('shell', 'comm_open', { comm_id: 'c', target_name: 'gone', data: {} });
    const { reply, stdout, outputs } = await kernel.execute(code);
    assert.equal(reply.status, 'error');
    assert.match(String(reply.evalue), says);
    assert.match(String(reply.evalue), /Variables, loaded models and registered comm targets are lost/);
    assert.equal(stdout, 'last words\n');
    assert.equal(outputs.filter(({ header }) => header.msg_type === 'error').length, 1);
    await kernel.until(({ header, content }) => header.msg_type === 'comm_close' && content.comm_id === 'c');
    assert.equal((await kernel.execute('1 + 1')).text, '2');
    assert.match(String((await kernel.execute('before')).reply.evalue), /Cannot find name 'before'/);
  });

test('a crash between cells is told on stderr of the newest cell', async (t) => {
  const kernel = await started(t);
  await kernel.execute('setTimeout(() => process.exit(7), 50)');
  await kernel.until(
    ({ header, content }) => header.msg_type === 'stream' && /exited with code 7/.test(String(content.text)),
  );
  assert.equal((await kernel.execute('"alive"')).text, `'alive'`);
});

test('a kernel without a connection file, or with a damaged one, says what is missing', () => {
  const start = (...args: string[]) =>
    spawnSync(process.execPath, [kernelMain, ...args], { encoding: 'utf8', timeout: 10_000 });
  const none = start();
  assert.equal(none.status, 1);
  assert.match(none.stderr, /no connection file was given; Jupyter passes one/);
  assert.match(start('/nowhere.json').stderr, /cannot read \/nowhere\.json: ENOENT/);
});

test('a restart frees the memory of the child', async (t) => {
  const kernel = await started(t);
  const big = await childOf(kernel);
  await kernel.execute('const held = new Float64Array(3e7).fill(1);');
  const resident = (pid: number) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
  assert.ok(resident(big) > 230);
  await kernel.execute('process.exit(0)');
  await gone(big);
  assert.ok(resident(await childOf(kernel)) < 150);
});
