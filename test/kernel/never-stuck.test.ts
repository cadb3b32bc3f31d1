import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startKernel, type TestKernel } from './client.ts';

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
  await kernel.execute('let kept = 42; const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));');
});
after(() => kernel.stop());

/** Runs code that does not end, waits until it runs, and gives the promise of its end. */
async function begin(code: string) {
  const mark = `/* ${Math.random()} */`;
  const running = kernel.execute(mark + code);
  await kernel.until(
    ({ header, content }) => header.msg_type === 'execute_input' && String(content.code).startsWith(mark),
  );
  return running;
}

async function started(code: string) {
  const mark = `begun ${Math.random()}`;
  const running = begin(`console.log(${JSON.stringify(mark)});${code}`);
  await kernel.until(({ header, content }) => header.msg_type === 'stream' && String(content.text).includes(mark));
  return { running };
}

test('20,000 lines in one tick arrive whole in fewer than 100 messages, and the cell goes idle', async () => {
  const { outputs, stdout, ms } = await kernel.execute('for (let n = 0; n < 20_000; n++) console.log("line", n);');
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.length, 20_000);
  assert.equal(lines.at(-1), 'line 19999');
  assert.ok(outputs.filter(({ header }) => header.msg_type === 'stream').length < 100);
  assert.ok(ms < 5000, `${ms} ms`);
});

test('lines on both streams in turns are gathered too', async () => {
  const { outputs, stdout, stderr } = await kernel.execute(
    'for (let n = 0; n < 5000; n++) { console.log(n); console.error(n); }',
  );
  assert.equal(stdout.trimEnd().split('\n').length, 5000);
  assert.equal(stdout, stderr);
  assert.ok(outputs.filter(({ header }) => header.msg_type === 'stream').length < 100);
});

test('100,000 long lines keep the memory of both processes bounded', async () => {
  const { stdout, reply } = await kernel.execute(
    'for (let n = 0; n < 100_000; n++) console.log("x".repeat(200)); process.pid',
  );
  assert.equal(stdout.length, 100_000 * 201);
  assert.equal(reply.status, 'ok');
  const child = Number((await kernel.execute('process.pid')).text);
  const resident = (pid: number) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
  assert.ok(resident(child) < 400e6, `child ${resident(child)}`);
  assert.ok(resident(kernel.process.pid!) < 700e6, `kernel ${resident(kernel.process.pid!)}`);
});

test('output is seen while the cell that wrote it blocks', async () => {
  const { running } = await started('while (true) {}');
  kernel.send('control', 'interrupt_request');
  assert.equal((await running).reply.ename, 'Interrupted');
});

test('while a cell blocks, everything else answers within 200 ms', async () => {
  await kernel.request('shell', 'complete_request', { code: 'kept.to', cursor_pos: 7 });
  const { running } = await started('while (true) {}');
  const timed = async (work: Promise<unknown>) => {
    const began = performance.now();
    await work;
    return performance.now() - began;
  };
  const figures: Record<string, number> = {};
  for (let round = 0; round < 3; round++)
    for (const [name, ask] of Object.entries({
      'kernel_info on shell': () => kernel.request('shell', 'kernel_info_request'),
      'kernel_info on control': () => kernel.request('control', 'kernel_info_request'),
      completion: () => kernel.request('shell', 'complete_request', { code: 'kept.to', cursor_pos: 7 }),
      inspection: () => kernel.request('shell', 'inspect_request', { code: 'kept', cursor_pos: 2 }),
      heartbeat: () => kernel.heartbeat(),
    }))
      figures[name] = Math.min(figures[name] ?? Infinity, await timed(ask()));
  kernel.send('control', 'interrupt_request');
  await running;
  for (const [name, ms] of Object.entries(figures)) assert.ok(ms < 200, `${name} took ${ms} ms`);
});

const loops: Record<string, string> = {
  'a synchronous loop': 'while (true) {}',
  'a synchronous loop after an await': 'await null; while (true) {}',
  'a synchronous loop in a timer': 'setTimeout(() => { while (true) {} }, 1); await sleep(1e6);',
  'an awaited loop': 'while (true) { kept = 42; await sleep(5); }',
  'an awaited loop that never waits': 'while (true) await null;',
  'a for await over tokens':
    'async function* tokens() { for (let n = 0; ; n++) { await sleep(2); yield n; } } for await (const token of tokens()) kept = 42;',
  'an awaited loop that catches everything': 'while (true) { try { await sleep(1); } catch {} }',
  'a promise that never settles': 'await new Promise(() => {});',
};
for (const [name, code] of Object.entries(loops))
  test(`an interrupt stops ${name} within 500 ms, keeps variables, and the next cell runs`, async () => {
    const { running } = await started(code);
    const began = performance.now();
    const reply = await kernel.request('control', 'interrupt_request');
    const ended = await running;
    const ms = performance.now() - began;
    assert.equal(reply.content.status, 'ok');
    assert.equal(ended.reply.status, 'error');
    assert.equal(ended.reply.ename, 'Interrupted');
    assert.ok(ms < 500, `${ms} ms`);
    assert.equal((await kernel.execute('kept')).text, '42');
  });

test('an interrupted loop has really stopped: it does nothing any more', async () => {
  const { running } = await started('let turns = 0; while (true) { turns++; await sleep(1); }');
  kernel.send('control', 'interrupt_request');
  await running;
  const { text } = await kernel.execute('const seen = turns; await sleep(100); turns - seen');
  assert.equal(text, '0');
});

test('work that ends on the signal hands over what it has', async () => {
  const { running } = await started(
    'const part = await new Promise((resolve) => cell.signal.addEventListener("abort", () => resolve("partial")));',
  );
  kernel.send('control', 'interrupt_request');
  assert.equal((await running).reply.ename, 'Interrupted');
  assert.equal((await kernel.execute('part')).text, `'partial'`);
});

test('an interrupt stops the loop that an earlier cell left behind', async () => {
  await kernel.execute(
    'let left = 0; void (async () => { while (true) { left++; await sleep(1); } })().catch(() => {});',
  );
  await kernel.request('control', 'interrupt_request');
  const { text } = await kernel.execute('await sleep(200); const was = left; await sleep(100); left - was');
  assert.equal(text, '0');
});

test('code inside WebAssembly is not broken off; a second interrupt replaces the process and says so', async () => {
  const spin = '[0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,8,1,4,115,112,105,110,0,0,10,9,1,7,0,3,64,12,0,11,11]';
  await kernel.execute(`const spinning = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(${spin})));`);
  const { running } = await started('(spinning.exports.spin as () => void)();');
  await kernel.request('control', 'interrupt_request');
  let ended = false;
  void running.then(() => {
    ended = true;
  });
  await kernel.request('shell', 'kernel_info_request');
  assert.equal(ended, false);
  await kernel.request('control', 'interrupt_request');
  const { reply } = await running;
  assert.match(String(reply.evalue), /^Interrupted twice: .* process was replaced/);
  assert.equal((await kernel.execute('1 + 1')).text, '2');
  assert.match(String((await kernel.execute('kept')).reply.evalue), /Cannot find name 'kept'/);
});
