/** A Jupyter client for the tests: starts the built kernel and speaks to it over ZeroMQ, as JupyterLab's server does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dealer, Request as RequestSocket, Subscriber } from 'zeromq';
import type { Connection } from '../../kernel/src/protocol/connection.ts';
import { type Content, decode, encode, type Header, type Message, signer } from '../../kernel/src/protocol/messages.ts';

export const kernelMain = fileURLToPath(new URL('../../kernel/dist/protocol/main.js', import.meta.url));

export interface SendOptions {
  header?: Partial<Header>;
  buffers?: Uint8Array[];
  metadata?: Content;
}

/** What one execute request gave. */
export interface Executed {
  reply: Content;
  outputs: Message[];
  stdout: string;
  stderr: string;
  /** `text/plain` of the result. */
  text: string | undefined;
  ms: number;
}

export interface Client {
  session: string;
  /** All that came on iopub, in order. */
  published: Message[];
  stdin: Message[];
  send(channel: 'shell' | 'control' | 'stdin', type: string, content?: Content, options?: SendOptions): Header;
  sendRaw(channel: 'shell' | 'control', frames: Uint8Array[]): Promise<void>;
  /** Sends and waits for the reply. */
  request(channel: 'shell' | 'control', type: string, content?: Content, options?: SendOptions): Promise<Message>;
  execute(code: string, content?: Content, options?: SendOptions): Promise<Executed>;
  /** Waits until something published fits. */
  until(fits: (message: Message) => boolean, ms?: number): Promise<Message>;
  untilInput(ms?: number): Promise<Message>;
  heartbeat(): Promise<number>;
  close(): void;
}

export interface TestKernel extends Client {
  process: ChildProcess;
  /** Its exit code, once it has ended; null when a signal ended it. */
  exit: Promise<number | null>;
  connection: Connection;
  folder: string;
  /** What the process wrote to its own standard error. */
  log(): string;
  connect(): Promise<Client>;
  /** Ends the kernel and waits for the process. */
  stop(): Promise<void>;
}

/** Rejects with the given words when the promise takes longer. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export function isOf(parent: Header | string, type: string): (message: Message) => boolean {
  const id = typeof parent === 'string' ? parent : parent.msg_id;
  return (message) => message.header.msg_type === type && message.parent.msg_id === id;
}

function isIdle(parent: Header): (message: Message) => boolean {
  const fits = isOf(parent, 'status');
  return (message) => fits(message) && message.content.execution_state === 'idle';
}

/** Connects to a running kernel. One that does not welcome is asked for its info until something is published. */
export async function connect(connection: Connection, welcomes = true): Promise<Client> {
  const sign = signer(connection.signature_scheme, connection.key);
  const url = (port: number) => `tcp://${connection.ip}:${port}`;
  const session = randomUUID();
  const options = { linger: 0, routingId: session, sendHighWaterMark: 0, receiveHighWaterMark: 0 };
  const dealers = { shell: new Dealer(options), control: new Dealer(options), stdin: new Dealer(options) };
  const iopub = new Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  dealers.shell.connect(url(connection.shell_port));
  dealers.control.connect(url(connection.control_port));
  dealers.stdin.connect(url(connection.stdin_port));
  const published: Message[] = [];
  const stdin: Message[] = [];
  const replies = new Map<string, (message: Message) => void>();
  let changed = Promise.withResolvers<void>();
  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  async function listen(socket: Dealer | Subscriber, take: (message: Message) => void) {
    for await (const frames of socket) {
      take(decode(frames, sign));
      change();
    }
  }
  const reply = (message: Message) => replies.get(message.parent.msg_id ?? '')?.(message);
  for (const loop of [
    listen(dealers.shell, reply),
    listen(dealers.control, reply),
    listen(dealers.stdin, (message) => stdin.push(message)),
    listen(iopub, (message) => published.push(message)),
  ])
    loop.catch((error: Error & { code?: string }) => {
      // Closing a socket ends its loop this way.
      if (error.code !== 'EAGAIN') throw error;
    });

  const sending = { shell: Promise.resolve(), control: Promise.resolve(), stdin: Promise.resolve() };
  const sendFrames = (channel: keyof typeof dealers, frames: Uint8Array[]) => {
    sending[channel] = sending[channel].then(() => dealers[channel].send(frames));
    return sending[channel];
  };
  async function waitFor<T>(what: string, find: () => T | undefined, ms: number): Promise<T> {
    const end = performance.now() + ms;
    for (;;) {
      const next = changed.promise;
      const found = find();
      if (found !== undefined) return found;
      await within(Math.max(1, end - performance.now()), what, next);
    }
  }

  const client: Client = {
    session,
    published,
    stdin,
    send(channel, type, content = {}, { header = {}, buffers = [], metadata = {} } = {}) {
      const head: Header = {
        msg_id: randomUUID(),
        session,
        username: 'test',
        date: new Date().toISOString(),
        msg_type: type,
        version: '5.5',
        ...header,
      };
      void sendFrames(channel, encode({ identities: [], header: head, parent: {}, metadata, content, buffers }, sign));
      return head;
    },
    sendRaw: (channel, frames) => sendFrames(channel, frames),
    async request(channel, type, content, options) {
      const head = client.send(channel, type, content, options);
      const answer = new Promise<Message>((resolve) => replies.set(head.msg_id, resolve));
      return await within(30_000, type, answer);
    },
    async execute(code, content = {}, options = {}) {
      const began = performance.now();
      const defaults = { silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
      const head = client.send('shell', 'execute_request', { ...defaults, code, ...content }, options);
      const answer = new Promise<Message>((resolve) => replies.set(head.msg_id, resolve));
      const { content: reply } = await within(60_000, `execute ${code.slice(0, 60)}`, answer);
      await client.until(isIdle(head));
      const outputs = published.filter(({ parent }) => parent.msg_id === head.msg_id);
      const text = (name: string) =>
        outputs
          .filter((one) => one.header.msg_type === 'stream' && one.content.name === name)
          .map((one) => one.content.text)
          .join('');
      const result = outputs.find((one) => one.header.msg_type === 'execute_result');
      return {
        reply,
        outputs,
        stdout: text('stdout'),
        stderr: text('stderr'),
        text: (result?.content.data as Record<string, string> | undefined)?.['text/plain'],
        ms: performance.now() - began,
      };
    },
    until: (fits, ms = 15_000) => waitFor('iopub', () => published.find(fits), ms),
    untilInput: (ms = 15_000) => waitFor('stdin', () => stdin.shift(), ms),
    async heartbeat() {
      const socket = new RequestSocket({ linger: 0, receiveTimeout: 10_000 });
      socket.connect(url(connection.hb_port));
      const began = performance.now();
      await socket.send('beat');
      await socket.receive();
      socket.close();
      return performance.now() - began;
    },
    close() {
      for (const socket of [...Object.values(dealers), iopub]) socket.close();
    },
  };
  iopub.connect(url(connection.iopub_port));
  iopub.subscribe('');
  if (welcomes) await client.until(({ header }) => header.msg_type === 'iopub_welcome');
  else
    for (let tries = 0; published.length === 0 && tries < 200; tries++) {
      client.send('shell', 'kernel_info_request');
      await client.until(() => true, 100).catch(() => undefined);
    }
  return client;
}

export interface StartOptions {
  key?: string;
  folder?: string;
  env?: NodeJS.ProcessEnv;
  /** Program and arguments of another kernel, given the connection file. */
  command?: (connectionFile: string) => [string, ...string[]];
  welcomes?: boolean;
}

/** Starts a kernel in a folder of its own and waits until it answers. */
export async function startKernel({
  key = 'a key of the tests',
  folder = '',
  env = {},
  command = (file) => [process.execPath, kernelMain, file],
  welcomes = true,
}: StartOptions = {}): Promise<TestKernel> {
  if (!existsSync(kernelMain)) throw new Error(`test: ${kernelMain} is missing; run npm run build -w kernel`);
  const own = mkdtempSync(join(tmpdir(), 'kvlab-test-'));
  const cwd = folder || own;
  const [shell, control, iopub, stdin, hb] = await freePorts(5);
  const connection: Connection = {
    transport: 'tcp',
    ip: '127.0.0.1',
    shell_port: shell!,
    control_port: control!,
    iopub_port: iopub!,
    stdin_port: stdin!,
    hb_port: hb!,
    key,
    signature_scheme: 'hmac-sha256',
  };
  const file = join(own, 'connection.json');
  writeFileSync(file, JSON.stringify(connection));
  const [program, ...args] = command(file);
  const child = spawn(program, args, {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const client = await connect(connection, welcomes);
  await client.request('shell', 'kernel_info_request');
  return {
    ...client,
    process: child,
    exit,
    connection,
    folder: cwd,
    log: () => log,
    connect: () => connect(connection, welcomes),
    async stop() {
      if (child.exitCode === null && child.signalCode === null)
        client.send('control', 'shutdown_request', { restart: false });
      await within(10_000, 'shutdown', exit).catch(() => child.kill('SIGKILL'));
      client.close();
      rmSync(own, { recursive: true, force: true });
    },
  };
}
