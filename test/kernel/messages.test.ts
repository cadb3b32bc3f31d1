import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isOf, startKernel, type TestKernel, within } from './client.ts';

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
});
after(() => kernel.stop());

const types = (outputs: { header: { msg_type: string } }[]) =>
  outputs.map(({ header }) => header.msg_type).filter((type) => type !== 'status');

test('an execution is busy, input, result, idle, and its reply carries the count', async () => {
  const { outputs, reply } = await kernel.execute('1 + 1');
  assert.deepEqual(
    outputs.map(({ header, content }) => (header.msg_type === 'status' ? content.execution_state : header.msg_type)),
    ['busy', 'execute_input', 'execute_result', 'idle'],
  );
  assert.equal(reply.status, 'ok');
  assert.equal(reply.execution_count, 1);
  assert.deepEqual(reply.payload, []);
  assert.deepEqual(reply.user_expressions, {});
});

test('the kernel speaks under its own session and answers to the message that asked', async () => {
  const reply = await kernel.request('control', 'kernel_info_request');
  assert.notEqual(reply.header.session, kernel.session);
  assert.equal(reply.parent.session, kernel.session);
  assert.equal(reply.header.msg_type, 'kernel_info_reply');
  assert.equal(reply.content.protocol_version, '5.5');
  assert.deepEqual(reply.content.supported_features, ['kernel subshells']);
});

test('a silent execution publishes nothing and does not count', async () => {
  const before = (await kernel.execute('1')).reply.execution_count;
  const { outputs, reply } = await kernel.execute('console.log("x"); display(1); 5', { silent: true });
  assert.deepEqual(types(outputs), []);
  assert.equal(reply.status, 'ok');
  assert.equal((await kernel.execute('1')).reply.execution_count, Number(before) + 1);
});

test('an execution without history is shown but does not count', async () => {
  const before = (await kernel.execute('1')).reply.execution_count;
  const { text } = await kernel.execute('"not kept"', { store_history: false });
  assert.equal(text, `'not kept'`);
  assert.equal((await kernel.execute('1')).reply.execution_count, Number(before) + 1);
  const { content } = await kernel.request('shell', 'history_request', {
    hist_access_type: 'tail',
    n: 3,
    output: false,
  });
  assert.ok(!JSON.stringify(content.history).includes('not kept'));
});

test('user expressions are values or errors of their own', async () => {
  const { reply } = await kernel.execute('const base = 20; ', {
    user_expressions: { twice: 'base * 2', wrong: 'nothing.there', thrown: '(() => { throw new RangeError("no") })()' },
  });
  const results = reply.user_expressions as Record<string, { status: string; ename?: string; data?: object }>;
  assert.deepEqual(results.twice, { status: 'ok', data: { 'text/plain': '40' }, metadata: {} });
  assert.equal(results.wrong!.status, 'error');
  assert.equal(results.thrown!.ename, 'RangeError');
});

test('after an error the cells that were sent with it are aborted, later ones run', async () => {
  const first = kernel.execute('throw new Error("stop here")');
  const second = kernel.execute('"must not run"');
  const third = kernel.execute('"nor this"');
  assert.equal((await first).reply.status, 'error');
  assert.equal((await second).reply.status, 'aborted');
  assert.equal((await third).reply.status, 'aborted');
  assert.equal((await third).text, undefined);
  assert.equal((await kernel.execute('"again"')).text, `'again'`);
});

test('with stop_on_error off the next cell runs', async () => {
  const first = kernel.execute('throw new Error("go on")', { stop_on_error: false });
  const second = kernel.execute('"runs"');
  assert.equal((await first).reply.status, 'error');
  assert.equal((await second).text, `'runs'`);
});

test('displays always have a transient object, and updates carry the id', async () => {
  const { outputs } = await kernel.execute(
    'const shown = display("a", { id: "one" }); await shown.update("b"); display(3)',
  );
  const displays = outputs.filter(({ header }) => /display_data$/.test(header.msg_type));
  assert.deepEqual(
    displays.map(({ header, content }) => [header.msg_type, (content.data as Record<string, string>)['text/plain']]),
    [
      ['display_data', `'a'`],
      ['update_display_data', `'b'`],
      ['display_data', '3'],
    ],
  );
  assert.deepEqual(displays[0]!.content.transient, { display_id: 'one' });
  assert.deepEqual(displays[1]!.content.transient, { display_id: 'one' });
  assert.equal(typeof displays[2]!.content.transient, 'object');
});

test('history gives the tail, a range and a search, with output when asked', async () => {
  await kernel.execute('"needle one"');
  await kernel.execute('"needle two"');
  await kernel.execute('"needle one"');
  const ask = async (content: object) => {
    const reply = await kernel.request('shell', 'history_request', { output: false, raw: true, ...content });
    return reply.content.history as [number, number, unknown][];
  };
  const tail = await ask({ hist_access_type: 'tail', n: 2 });
  assert.deepEqual(
    tail.map(([, , source]) => source),
    ['"needle two"', '"needle one"'],
  );
  const line = tail[0]![1];
  assert.deepEqual(await ask({ hist_access_type: 'range', session: 0, start: line, stop: line + 1 }), [tail[0]]);
  assert.equal((await ask({ hist_access_type: 'search', pattern: '*needle*' })).length, 3);
  assert.equal((await ask({ hist_access_type: 'search', pattern: '*needle*', unique: true })).length, 2);
  assert.equal((await ask({ hist_access_type: 'search', pattern: '*need?e*', n: 1 })).length, 1);
  const withOutput = await ask({ hist_access_type: 'tail', n: 1, output: true });
  assert.deepEqual(withOutput[0]![2], ['"needle one"', `'needle one'`]);
});

test('a cell asks for a line, and for a password', async () => {
  const running = kernel.execute(
    'const answer = await input("Name? "); const secret = await input("Key? ", { password: true }); answer + secret',
    { allow_stdin: true },
  );
  for (const [prompt, password, value] of [
    ['Name? ', false, 'Ada'],
    ['Key? ', true, '!'],
  ] as const) {
    const asked = await kernel.untilInput();
    assert.equal(asked.header.msg_type, 'input_request');
    assert.deepEqual(asked.content, { prompt, password });
    kernel.send('stdin', 'input_reply', { status: 'ok', value });
  }
  assert.equal((await running).text, `'Ada!'`);
});

test('asking a client that cannot answer is an error that says so', async () => {
  const { reply } = await kernel.execute('await input("?")', { allow_stdin: false });
  assert.match(String(reply.evalue), /this client does not let the kernel ask/);
});

test('a subshell runs cells while the main shell is busy', async () => {
  const { content } = await kernel.request('control', 'create_subshell_request');
  const id = String(content.subshell_id);
  const listed = await kernel.request('control', 'list_subshell_request');
  assert.deepEqual(listed.content.subshell_id, [id]);
  const waiting = kernel.execute(
    'let release: () => void; await new Promise<void>((resolve) => { release = resolve; }); "released"',
  );
  await kernel.until(
    ({ header, content }) => header.msg_type === 'execute_input' && /"released"$/.test(String(content.code)),
  );
  const inside = await kernel.execute('release(); "from the subshell"', {}, { header: { subshell_id: id } });
  assert.equal(inside.text, `'from the subshell'`);
  assert.equal((await waiting).text, `'released'`);
  assert.equal((await kernel.request('control', 'delete_subshell_request', { subshell_id: id })).content.status, 'ok');
  assert.equal(
    (await kernel.request('control', 'delete_subshell_request', { subshell_id: id })).content.status,
    'error',
  );
});

test('while a cell runs, the newest status is busy, whatever else was answered', async () => {
  const running = kernel.execute('await new Promise((resolve) => setTimeout(resolve, 300))');
  await kernel.until(
    ({ header, content }) => header.msg_type === 'execute_input' && /, 300/.test(String(content.code)),
  );
  await kernel.request('shell', 'kernel_info_request');
  const states = () => kernel.published.filter(({ header }) => header.msg_type === 'status');
  const parent = states().at(-1)!.parent.msg_id;
  await kernel.until(
    ({ header, parent: of, content }) =>
      header.msg_type === 'status' && content.execution_state === 'idle' && of.msg_id !== parent,
  );
  await running;
  const seen = states().map(({ content }) => content.execution_state);
  assert.equal(seen.at(-1), 'idle');
  assert.ok(seen.slice(-4).join() === 'busy,idle,busy,idle', seen.slice(-6).join());
});

test('usage is told in the fields of jupyter-resource-usage', async () => {
  const { content } = await kernel.request('control', 'usage_request');
  assert.equal(content.pid, kernel.process.pid);
  assert.ok(Number(content.kernel_memory) > 50e6);
  assert.ok(Number(content.kernel_cpu) >= 0);
  assert.ok(Number(content.cpu_count) >= 1);
  assert.ok(Number(content.host_cpu_percent) >= 0 && Number(content.host_cpu_percent) <= 100);
  const memory = content.host_virtual_memory as Record<string, number>;
  assert.ok(memory.total! > memory.available!);
});

test('connect, debug and comm_info are answered', async () => {
  const connect = await kernel.request('shell', 'connect_request');
  assert.equal(connect.content.shell_port, kernel.connection.shell_port);
  assert.equal((await kernel.request('control', 'debug_request', {})).content.success, false);
  assert.deepEqual((await kernel.request('shell', 'comm_info_request', {})).content, { status: 'ok', comms: {} });
});

test('output of a timer lands in the cell that started it, also after later cells', async () => {
  const early = await kernel.execute('setTimeout(() => { console.log("late"); display("late too") }, 200)');
  const parent = early.outputs[0]!.parent.msg_id!;
  await kernel.execute('console.log("other cell")');
  const stream = await kernel.until((message) => isOf(parent, 'stream')(message) && message.content.text === 'late\n');
  assert.ok(stream);
  await kernel.until(isOf(parent, 'display_data'));
});

test('a promise nobody handles is shown in its cell and the kernel lives on', async () => {
  const { outputs, reply } = await kernel.execute('void Promise.reject(new TypeError("nobody waits"))');
  assert.equal(reply.status, 'ok');
  const parent = outputs[0]!.parent.msg_id!;
  const error = await within(5000, 'error', kernel.until(isOf(parent, 'error')));
  assert.equal(error.content.ename, 'TypeError');
  assert.equal((await kernel.execute('1')).text, '1');
});

test('clearOutput asks the page to clear, now or with the next output', async () => {
  const { outputs } = await kernel.execute('clearOutput(); clearOutput(true)');
  const clears = outputs.filter(({ header }) => header.msg_type === 'clear_output');
  assert.deepEqual(
    clears.map(({ content }) => content),
    [{ wait: false }, { wait: true }],
  );
});
