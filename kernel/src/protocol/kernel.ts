/** The kernel: which request is answered by whom. Nothing here waits for a cell but the cell's own reply. */
import { randomUUID } from 'node:crypto';
import type { Completion } from '../cells/compile/complete.ts';
import { type Channels, openChannels, type RequestChannel } from './channels.ts';
import { createComms } from './comms.ts';
import { startCompiler } from './compiler.ts';
import type { Connection } from './connection.ts';
import { toCodePoints, toUnits } from './cursor.ts';
import { createExecution } from './execution.ts';
import { createHistory } from './history.ts';
import { kernelInfo } from './kernel-info.ts';
import type { Content, Header, Message } from './messages.ts';
import { createRunner } from './runner.ts';
import { createSession, type Request } from './session.ts';
import { usageMeter } from './usage.ts';

export interface Kernel {
  /** Ends everything that the kernel started. */
  stop(): Promise<void>;
}

/** A second interrupt within this time in ms replaces the process when the cell still runs. */
const secondInterruptMs = 3000;
const lost =
  'Variables, loaded models and registered comm targets are lost; a fresh process is ready. Run the cells that you need again.';

/** Opens the channels and answers on them. `onEnd` is called when a client asked to shut down. */
export async function startKernel(connection: Connection, folder: string, onEnd: () => void): Promise<Kernel> {
  let channels: Channels | undefined;
  let stopping = false;
  const session = createSession(() => channels);
  const history = createHistory();
  const subshells = new Set<string>();
  let interruptedRun: { run: number; at: number } | undefined;

  const runner = createRunner(folder, {
    message: (message) => void (execution.receive(message) || comms.receive(message)),
    native: (name, text) => execution.native(name, text),
    died(reason) {
      if (stopping) return;
      childLost(`The process that runs the cells has ended: ${reason}. ${lost}`);
      runner.start();
    },
  });
  const compiler = startCompiler(folder);
  const execution = createExecution({ session, compiler, runner, history });
  const comms = createComms({
    session,
    runner,
    parentOf: execution.parentOf,
    notice: (text) => execution.native('stderr', text),
  });
  const usage = usageMeter(runner.pid);

  function childLost(text: string) {
    if (execution.running() === undefined) execution.native('stderr', `${text}\n`);
    execution.fail(text);
    comms.childGone(text);
    void compiler.ask({ kind: 'reset' });
  }

  async function interrupt() {
    const run = execution.running();
    const now = performance.now();
    const again = run !== undefined && interruptedRun?.run === run && now - interruptedRun.at < secondInterruptMs;
    interruptedRun = run === undefined ? undefined : { run, at: now };
    if (!again) return runner.interrupt();
    await runner.replace();
    childLost(`Interrupted twice: the cell did not stop, so its process was replaced. ${lost}`);
  }

  function completionContent(code: string, start: number, end: number, matches: Completion[]): Content {
    const from = toCodePoints(code, start);
    const to = toCodePoints(code, end);
    return {
      status: 'ok',
      matches: matches.map(({ text }) => text),
      cursor_start: from,
      cursor_end: to,
      metadata: {
        _jupyter_types_experimental: matches.map(({ text, kind, signature }) => ({
          text,
          type: kind,
          signature,
          start: from,
          end: to,
        })),
      },
    };
  }

  type Answer = Content | Promise<Content>;
  const answers: Record<string, (content: Content, request: Request) => Answer> = {
    kernel_info_request: () => kernelInfo(),
    connect_request: () => {
      const { shell_port, iopub_port, stdin_port, hb_port, control_port } = connection;
      return { status: 'ok', shell_port, iopub_port, stdin_port, hb_port, control_port };
    },
    history_request: (content) => ({ status: 'ok', history: history.answer(content) }),
    comm_info_request: (content) => comms.list(content.target_name),
    async complete_request(content) {
      const code = String(content.code ?? '');
      const position = toUnits(code, Number(content.cursor_pos ?? code.length));
      const { start, end, matches } = await compiler.ask({ kind: 'complete', source: code, position });
      return completionContent(code, start, end, matches);
    },
    async inspect_request(content) {
      const code = String(content.code ?? '');
      const position = toUnits(code, Number(content.cursor_pos ?? code.length));
      const detail = Number(content.detail_level ?? 0);
      const found = await compiler.ask({ kind: 'inspect', source: code, position, detail });
      const data = found ? { 'text/plain': found.plain, 'text/markdown': found.markdown } : {};
      return { status: 'ok', found: found !== undefined, data, metadata: {} };
    },
    async is_complete_request(content) {
      return { ...(await compiler.ask({ kind: 'isComplete', source: String(content.code ?? '') })) };
    },
    async interrupt_request() {
      await interrupt();
      return { status: 'ok' };
    },
    usage_request: () => usage(),
    debug_request: () => ({ success: false, message: 'kvlab has no debugger', body: {} }),
    create_subshell_request() {
      const id = randomUUID();
      subshells.add(id);
      return { status: 'ok', subshell_id: id };
    },
    delete_subshell_request({ subshell_id: id }) {
      return subshells.delete(String(id))
        ? { status: 'ok' }
        : { status: 'error', ename: 'SubshellError', evalue: `there is no subshell ${id}`, traceback: [] };
    },
    list_subshell_request: () => ({ status: 'ok', subshell_id: [...subshells] }),
    shutdown_request: (content) => ({ status: 'ok', restart: content.restart === true }),
  };

  function errorContent(error: unknown): Content {
    const { name, message } = error as Error;
    return { status: 'error', ename: name, evalue: message, traceback: [message] };
  }

  /** Says idle, and busy again when a cell still runs: clients take the newest status for the kernel's. */
  function idle(parent: Header) {
    session.status('idle', parent);
    const busy = execution.busyWith();
    if (busy) session.status('busy', busy);
  }

  async function handle(request: Request): Promise<void> {
    const { header, content } = request.message;
    const type = header.msg_type;
    if (type === 'execute_request') return execution.execute(request);
    session.status('busy', header);
    if (type.startsWith('comm_') && type !== 'comm_info_request') comms.request(request);
    else {
      const answer = answers[type];
      let reply: Content | undefined;
      try {
        reply = await answer?.(content, request);
      } catch (error) {
        reply = errorContent(error);
      }
      const replyType = type.replace(/_request$/, '_reply');
      if (reply) session.reply(request, replyType, reply);
      if (type === 'shutdown_request') {
        session.publish(replyType, reply ?? {}, { parent: header });
        onEnd();
      }
    }
    idle(header);
  }

  function onMessage(channel: RequestChannel, message: Message) {
    const request = { channel, message };
    if (channel === 'stdin') return execution.input(request);
    // A request that breaks its handler is answered there; what remains must not end the kernel.
    handle(request).catch((error) => execution.native('stderr', `kernel: ${(error as Error).stack}\n`));
  }

  channels = await openChannels(connection, {
    message: onMessage,
    subscribed: (topic) => {
      channels?.send('iopub', {
        identities: [topic],
        header: welcomeHeader(),
        parent: {},
        metadata: {},
        content: { subscription: topic.toString() },
        buffers: [],
      });
    },
  });
  session.status('starting', {});
  runner.start();

  function welcomeHeader(): Header {
    return {
      msg_id: randomUUID(),
      session: session.id,
      username: 'kernel',
      date: new Date().toISOString(),
      msg_type: 'iopub_welcome',
      version: '5.5',
    };
  }

  return {
    async stop() {
      stopping = true;
      comms.stop();
      await Promise.all([runner.stop(), compiler.stop()]);
      await channels?.close();
    },
  };
}
