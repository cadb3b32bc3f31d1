/** The child process that runs the cells: started when first needed, replaced when it dies. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type FromChild, lifelineFd, messageReader, outboundFd, type ToChild } from '../cells/wire.ts';

export interface Runner {
  start(): void;
  send(message: ToChild): void;
  /** Interrupts the running cell; the variables are kept. */
  interrupt(): void;
  /** Ends the child and starts a fresh one. Resolves when the old one is gone. */
  replace(): Promise<void>;
  stop(): Promise<void>;
  pid(): number | undefined;
}

export interface RunnerEvents {
  message(message: FromChild): void;
  /** What something in the child wrote to its file descriptors past JavaScript. */
  native(name: 'stdout' | 'stderr', text: string): void;
  /** The child ended without being asked to. */
  died(reason: string): void;
}

const nodeOptions = [
  // A loop that is broken off inside a timer leaves the bookkeeping of async hooks behind; the check would end the process.
  '--no-force-async-hooks-checks',
  '--experimental-transform-types',
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
];
const stopMs = 500;

/** How a process ended, in words. */
function reasonOf(code: number | null, signal: NodeJS.Signals | null, lastWords: string): string {
  if (/JavaScript heap out of memory/.test(lastWords)) return 'it ran out of memory';
  if (signal) return `it was ended by ${signal}`;
  if (/Fatal error|Check failed|RuntimeError/.test(lastWords)) return `it failed: ${lastWords.trim().split('\n')[0]}`;
  return `it exited with code ${code}`;
}

/** Prepares a runner; nothing is started yet. */
export function createRunner(folder: string, events: RunnerEvents): Runner {
  let child: ChildProcess | undefined;
  let interrupts = 0;

  function start() {
    if (child) return;
    const own = fork(fileURLToPath(new URL('../cells/child.js', import.meta.url)), [], {
      cwd: folder,
      execArgv: nodeOptions,
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe', 'pipe'],
    });
    child = own;
    let lastWords = '';
    const read = messageReader((message) => child === own && events.message(message));
    (own.stdio[outboundFd] as Readable).on('data', read);
    for (const name of ['stdout', 'stderr'] as const)
      own[name]?.setEncoding('utf8').on('data', (text: string) => {
        lastWords = (lastWords + text).slice(-4000);
        // The report of a crash is told in one sentence instead.
        if (child === own && !/Last few GCs|FATAL ERROR|Native stack trace|JS stacktrace/.test(lastWords))
          events.native(name, text);
      });
    // Writing to a child that has just died is reported by its end.
    for (const stream of own.stdio) stream?.on('error', () => undefined);
    own.on('error', () => undefined);
    // `close` comes after all its output was read, `exit` does not.
    own.on('close', (code, signal) => {
      if (child !== own) return;
      child = undefined;
      events.died(reasonOf(code, signal, lastWords));
    });
  }

  async function stop() {
    const old = child;
    child = undefined;
    if (!old || old.exitCode !== null || old.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => old.once('exit', () => resolve()));
    old.disconnect();
    const timer = setTimeout(() => old.kill('SIGKILL'), stopMs);
    await gone;
    clearTimeout(timer);
  }

  return {
    start,
    send(message) {
      start();
      child?.send(message, () => undefined);
    },
    interrupt() {
      interrupts += 1;
      const number = interrupts;
      // The types of Node know only five of the streams.
      const streams: readonly unknown[] | undefined = child?.stdio;
      (streams?.[lifelineFd] as Writable | undefined)?.write(Buffer.from(Uint32Array.of(number).buffer));
      child?.send({ type: 'interrupt', number } satisfies ToChild, () => undefined);
    },
    async replace() {
      child?.kill('SIGKILL');
      await stop();
      start();
    },
    stop,
    pid: () => child?.pid,
  };
}
