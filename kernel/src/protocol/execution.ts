/** Execute requests: one after the other in each subshell, each answered exactly once. */
import type { CellError, ExpressionResult, FromChild, RunRequest } from '../cells/wire.ts';
import type { CompilerThread } from './compiler.ts';
import type { History } from './history.ts';
import type { Content, Header } from './messages.ts';
import { createOutputs } from './outputs.ts';
import type { Runner } from './runner.ts';
import type { Request, Session } from './session.ts';

export interface Execution {
  /** Takes a request; resolves when it was answered. */
  execute(request: Request): Promise<void>;
  /** Hands in what the child says about its cells; false for other messages. */
  receive(message: FromChild): boolean;
  /** Text that a process wrote past JavaScript, shown in the newest cell. */
  native(name: 'stdout' | 'stderr', text: string): void;
  /** Ends the running cells with an error that says why. */
  fail(reason: string): void;
  /** Number of the newest cell that runs; undefined when none does. */
  running(): number | undefined;
  parentOf(run: number | undefined): Header | Record<string, never>;
  /** Header of the cell that keeps the kernel busy. */
  busyWith(): Header | undefined;
  /** Answer of the client to a question of a cell. */
  input(request: Request): void;
}

interface Started {
  request: Request;
  number: number;
  silent: boolean;
  storeHistory: boolean;
  error?: CellError;
  done(ending: Ending): void;
}

interface Ending {
  error?: CellError;
  expressions: Record<string, ExpressionResult>;
  missing: string[];
}

interface Parts {
  session: Session;
  compiler: CompilerThread;
  runner: Runner;
  history: History;
}

/** Requests that were sent together with one that failed may still be on their way for this long, in ms. */
const abortWindowMs = 20;
/** Parents of this many cells are remembered for output that comes late. */
const parentsKept = 10_000;

function pagerTarget(code: string): { name: string; detail: number } | undefined {
  const found = /^\s*\??\s*([\w$.]+)(\?\??)\s*$/.exec(code) ?? /^\s*\?\s*([\w$.]+)()\s*$/.exec(code);
  return found ? { name: found[1]!, detail: found[2] === '??' ? 1 : 0 } : undefined;
}

export function createExecution({ session, compiler, runner, history }: Parts): Execution {
  const started = new Map<number, Started>();
  const parents = new Map<number, { header: Header; silent: boolean }>();
  const queues = new Map<string, Promise<void>>();
  const waiting = new Map<string, Set<Request>>();
  const aborted = new WeakSet<Request>();
  const asking: number[] = [];
  let count = 0;
  let lastRun = 0;

  const outputs = createOutputs((run, name, text) => {
    const parent = parents.get(run);
    if (!parent?.silent) session.publish('stream', { name, text }, { parent: parent?.header ?? {} });
  });
  const parentOf = (run: number | undefined) => (run === undefined ? {} : (parents.get(run)?.header ?? {}));

  /** Publishes after all text that came before. */
  function publish(run: number, type: string, content: Content, metadata?: Content) {
    outputs.flush();
    const parent = parents.get(run);
    if (!parent?.silent) session.publish(type, content, { parent: parent?.header ?? {}, metadata });
  }

  function begin(request: Request): { run: number; number: number; silent: boolean; storeHistory: boolean } {
    const { content, header } = request.message;
    const silent = content.silent === true;
    const storeHistory = !silent && content.store_history !== false;
    if (storeHistory) count += 1;
    lastRun += 1;
    parents.set(lastRun, { header, silent });
    if (parents.size > parentsKept) parents.delete(parents.keys().next().value!);
    const code = String(content.code ?? '');
    publish(lastRun, 'execute_input', { code, execution_count: count });
    if (storeHistory) history.add(count, code);
    return { run: lastRun, number: count, silent, storeHistory };
  }

  async function page(name: string, detail: number): Promise<Content[]> {
    const found = await compiler.ask({ kind: 'inspect', source: name, position: name.length, detail });
    const text = found?.plain ?? `There is no ${name} in this notebook.`;
    return [
      { source: 'page', data: { 'text/plain': text, ...(found && { 'text/markdown': found.markdown }) }, start: 0 },
    ];
  }

  async function compileExpressions(expressions: unknown, label: string) {
    const cells: RunRequest['expressions'] = {};
    const failed: Record<string, ExpressionResult> = {};
    for (const [name, source] of Object.entries((expressions ?? {}) as Record<string, string>)) {
      const compiled = await compiler.ask({ kind: 'compile', source: `(${source})`, label: `${label} ${name}` });
      if ('cell' in compiled) cells[name] = compiled.cell;
      else failed[name] = { status: 'error', ...compiled.error };
    }
    return { cells, failed };
  }

  /** Compiles and runs; resolves with how it ended. Never rejects. */
  async function perform(run: number, begun: ReturnType<typeof begin>, request: Request): Promise<Ending> {
    const { content } = request.message;
    const source = String(content.code ?? '');
    const label = `In [${begun.number}]`;
    const nothing = { expressions: {}, missing: [] };
    return new Promise<Ending>((resolve) => {
      started.set(run, { ...begun, request, done: resolve });
      compiler
        .ask({ kind: 'compile', source, label })
        .then(async (compiled) => {
          if (!started.has(run)) return;
          if ('error' in compiled) return resolve({ ...nothing, error: compiled.error });
          const { cells, failed } = await compileExpressions(content.user_expressions, label);
          if (!started.has(run)) return;
          const { cell, values } = compiled;
          runner.send({
            type: 'run',
            run,
            number: begun.number,
            cell,
            values,
            allowInput: content.allow_stdin === true,
            expressions: cells,
          });
          started.get(run)!.done = (ending) => {
            if (ending.missing.length > 0)
              void compiler.ask({ kind: 'forget', serial: cell.serial, names: ending.missing });
            resolve({ ...ending, expressions: { ...ending.expressions, ...failed } });
          };
        })
        .catch((error: Error) =>
          resolve({ ...nothing, error: { ename: error.name, evalue: error.message, traceback: [error.message] } }),
        );
    });
  }

  function replyError(request: Request, number: number, error: CellError, status = 'error') {
    session.reply(request, 'execute_reply', {
      status,
      execution_count: number,
      ...error,
      user_expressions: {},
      payload: [],
    });
  }

  function abort(request: Request) {
    const { header } = request.message;
    session.status('busy', header);
    replyError(
      request,
      count,
      { ename: 'Aborted', evalue: 'an earlier cell failed; this one was not run', traceback: [] },
      'aborted',
    );
    session.status('idle', header);
  }

  async function process(request: Request, shell: string): Promise<void> {
    if (aborted.has(request)) return abort(request);
    const { header, content } = request.message;
    session.status('busy', header);
    const begun = begin(request);
    const { run, number } = begun;
    const pager = pagerTarget(String(content.code ?? ''));
    if (pager || String(content.code ?? '').trim() === '') {
      const payload = pager ? await page(pager.name, pager.detail) : [];
      session.reply(request, 'execute_reply', { status: 'ok', execution_count: number, user_expressions: {}, payload });
      return session.status('idle', header);
    }
    const { error, expressions } = await perform(run, begun, request);
    started.delete(run);
    outputs.flush();
    const endedAt = Date.now();
    if (error) {
      publish(run, 'error', { ...error });
      if (content.stop_on_error !== false) for (const one of waiting.get(shell) ?? []) aborted.add(one);
      replyError(request, number, error);
    } else
      session.reply(request, 'execute_reply', {
        status: 'ok',
        execution_count: number,
        user_expressions: expressions,
        payload: [],
      });
    session.status('idle', header);
    if (!error || content.stop_on_error === false) return;
    await new Promise((resolve) => setTimeout(resolve, abortWindowMs));
    for (const one of waiting.get(shell) ?? []) if (Date.parse(one.message.header.date) < endedAt) aborted.add(one);
  }

  return {
    parentOf,
    busyWith: () => [...started.values()][0]?.request.message.header,
    running: () => [...started.keys()].at(-1),
    execute(request) {
      const shell = request.message.header.subshell_id ?? '';
      const others = waiting.get(shell) ?? new Set();
      waiting.set(shell, others.add(request));
      const next = (queues.get(shell) ?? Promise.resolve()).then(() => {
        others.delete(request);
        return process(request, shell);
      });
      queues.set(shell, next);
      return next;
    },
    native(name, text) {
      outputs.text(lastRun, name, text);
    },
    fail(reason) {
      const error = { ename: 'ProcessEnded', evalue: reason, traceback: [reason] };
      for (const { done } of started.values()) done({ error, expressions: {}, missing: [] });
    },
    input(request) {
      const run = asking.shift();
      if (run !== undefined) runner.send({ type: 'input', run, value: String(request.message.content.value ?? '') });
    },
    receive(message) {
      switch (message.type) {
        case 'stream':
          outputs.text(message.run, message.name, message.text);
          return true;
        case 'display': {
          const { data, metadata, id, update } = message;
          const transient = id === undefined ? {} : { display_id: id };
          publish(message.run, update ? 'update_display_data' : 'display_data', { data, metadata, transient });
          return true;
        }
        case 'clear':
          publish(message.run, 'clear_output', { wait: message.wait });
          return true;
        case 'result': {
          const { number, storeHistory } = started.get(message.run) ?? { number: count, storeHistory: false };
          const { data, metadata } = message;
          publish(message.run, 'execute_result', { execution_count: number, data, metadata, transient: {} });
          if (storeHistory) history.setOutput(number, String(data['text/plain'] ?? ''));
          return true;
        }
        case 'stray':
          publish(message.run, 'error', { ...message.error });
          return true;
        case 'input': {
          const request = started.get(message.run)?.request;
          if (!request) return true;
          outputs.flush();
          asking.push(message.run);
          session.ask(request, { prompt: message.prompt, password: message.password });
          return true;
        }
        case 'done':
          started.get(message.run)?.done(message);
          return true;
        default:
          return false;
      }
    },
  };
}
