/** The kernel beside its peers, measured in the same run by the same client: start, round trip, flood, interrupt, blocking, comms.
 *
 *  tslab comes with the development packages, ipykernel with JupyterLab; Deno is installed with `--peers`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Client, type StartOptions, startKernel, type TestKernel, within } from '../kernel/client.ts';
import { python } from '../kernel/python.ts';
import { wantsPeers } from './report/peers.ts';
import { median, printTable } from './report/table.ts';

interface Language {
  one: string;
  lines: string;
  loop: string;
  awaited: string;
  set: string;
  get: string;
  block: string;
  prefix: string;
  bulk?: string;
}

interface Peer {
  name: string;
  options: StartOptions;
  language: Language;
  /** How the kernel is interrupted, as its kernelspec says. */
  interrupt: 'message' | 'signal';
}

const typescript: Language = {
  one: '1 + 1',
  lines: 'for (let n = 0; n < 20000; n++) console.log("line", n);',
  loop: 'console.log("begun"); while (true) {}',
  awaited: 'console.log("begun"); while (true) await new Promise((turn) => setTimeout(turn, 5));',
  set: 'let kept = 42;',
  get: 'kept',
  block: 'console.log("begun"); { const end = Date.now() + 2500; while (Date.now() < end); }',
  prefix: 'Math.flo',
};
const inPython: Language = {
  one: '1 + 1',
  lines: 'for n in range(20000): print("line", n)',
  loop: 'print("begun", flush=True)\nwhile True: pass',
  awaited: 'import asyncio\nprint("begun", flush=True)\nwhile True: await asyncio.sleep(0.005)',
  set: 'kept = 42',
  get: 'kept',
  block: 'import time\nprint("begun", flush=True)\nend = time.time() + 2.5\nwhile time.time() < end: pass',
  prefix: 'abs.__do',
  bulk: 'from comm import create_comm\nc = create_comm("bulk")\nfor n in range(200): c.send({"n": n}, buffers=[bytes(2 ** 20)])',
};

function denoProgram(): string | undefined {
  const folder = join(tmpdir(), 'kvlab-bench-deno');
  const program = join(folder, 'node_modules', '@deno', 'linux-x64-glibc', 'deno');
  if (existsSync(program) || !wantsPeers()) return existsSync(program) ? program : undefined;
  mkdirSync(folder, { recursive: true });
  console.log(`installing Deno in ${folder}: 0.2 GB`);
  spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, 'deno@2'], {
    stdio: 'inherit',
  });
  return existsSync(program) ? program : undefined;
}

function peers(): Peer[] {
  const found: Peer[] = [
    {
      name: 'kvlab',
      options: {},
      interrupt: 'message',
      language: {
        ...typescript,
        bulk: 'const bulk = comms.open("bulk"); for (let n = 0; n < 200; n++) bulk.send({ n }, { buffers: [new Uint8Array(2 ** 20)] });',
      },
    },
  ];
  try {
    const tslab = join(dirname(createRequire(import.meta.url).resolve('tslab/package.json')), 'bin', 'tslab');
    const command: StartOptions['command'] = (file) => [process.execPath, tslab, 'kernel', '--config-path', file];
    // tslab takes the types of Node from its folder.
    const folder = join(import.meta.dirname, '../..');
    found.push({
      name: 'tslab',
      options: { command, welcomes: false, folder },
      interrupt: 'signal',
      language: typescript,
    });
  } catch {
    console.log('tslab is not installed: no column for it');
  }
  if (existsSync(python)) {
    const command: StartOptions['command'] = (file) => [python, '-m', 'ipykernel_launcher', '-f', file];
    found.push({ name: 'ipykernel', options: { command, welcomes: false }, interrupt: 'signal', language: inPython });
  }
  const deno = denoProgram();
  if (deno) {
    const command: StartOptions['command'] = (file) => [deno, 'jupyter', '--kernel', '--conn', file];
    found.push({ name: 'Deno', options: { command, welcomes: false }, interrupt: 'message', language: typescript });
  } else console.log('Deno is not installed: run with --peers for its column');
  return found;
}

const limitMs = 10_000;

async function timed(work: Promise<unknown>): Promise<number | undefined> {
  const began = performance.now();
  try {
    await within(limitMs, 'bench', work);
    return performance.now() - began;
  } catch {
    return undefined;
  }
}

const isBegun = (from: number, client: Client) => () =>
  client.published
    .slice(from)
    .some(({ header, content }) => header.msg_type === 'stream' && /begun/.test(String(content.text)));

/** Starts a cell and waits until it runs. Its end is handed over in an object, because awaiting it would wait for that. */
async function begin(kernel: TestKernel, code: string): Promise<{ running: Promise<unknown> }> {
  const from = kernel.published.length;
  const running = kernel.execute(code);
  running.catch(() => undefined);
  await kernel.until(isBegun(from, kernel), limitMs);
  return { running };
}

async function measureStart({ options, language }: Peer) {
  const began = performance.now();
  const kernel = await startKernel(options);
  const info = performance.now() - began;
  const ran = await timed(kernel.execute(language.one));
  await kernel.stop();
  return { info, first: ran === undefined ? undefined : info + ran };
}

async function flood({ options, language }: Peer): Promise<string> {
  const kernel = await startKernel(options);
  await kernel.execute(language.one);
  const from = kernel.published.length;
  const ms = await timed(kernel.execute(language.lines));
  const texts = kernel.published.slice(from).filter(({ header }) => header.msg_type === 'stream');
  const lines = texts.reduce((sum, { content }) => sum + (String(content.text).match(/\n/g)?.length ?? 0), 0);
  await kernel.stop();
  return `${lines} in ${ms === undefined ? 'no end' : `${(ms / 1000).toFixed(2)} s`}`;
}

/** Time until the interrupted cell was answered, and whether the kernel still knows its variables. */
async function interrupted(peer: Peer, code: string): Promise<string> {
  const kernel = await startKernel(peer.options);
  try {
    await kernel.execute(peer.language.set);
    const { running } = await begin(kernel, code);
    const began = performance.now();
    if (peer.interrupt === 'message') kernel.send('control', 'interrupt_request');
    else kernel.process.kill('SIGINT');
    if ((await timed(running)) === undefined) return 'no answer';
    const ms = performance.now() - began;
    const ask = () => within(limitMs, 'next cell', kernel.execute(peer.language.get)).catch(() => undefined);
    let kept = await ask();
    // tslab aborts what comes right after an error.
    if (kept?.reply.status !== 'ok') kept = await ask();
    // tslab prints values instead of returning them.
    return `${Math.round(ms)} ms, ${kept && /42/.test(`${kept.text} ${kept.stdout}`) ? 'kept' : 'lost'}`;
  } finally {
    await kernel.stop();
  }
}

async function whileBusy(peer: Peer) {
  const kernel = await startKernel(peer.options);
  const ask = () =>
    kernel.request('shell', 'complete_request', {
      code: peer.language.prefix,
      cursor_pos: peer.language.prefix.length,
    });
  await ask();
  await kernel.execute(peer.language.one);
  const { running } = await begin(kernel, peer.language.block);
  const [complete, info, beat] = await Promise.all([
    timed(ask()),
    timed(kernel.request('control', 'kernel_info_request')),
    timed(kernel.heartbeat()),
  ]);
  await running;
  await kernel.stop();
  return { complete, info, beat };
}

async function roundTrip({ options, language }: Peer) {
  const kernel = await startKernel(options);
  const times: number[] = [];
  for (let n = 0; n < 50; n++) times.push((await kernel.execute(language.one)).ms);
  const completions: number[] = [];
  for (let n = 0; n < 20; n++)
    completions.push(
      (await timed(
        kernel.request('shell', 'complete_request', { code: language.prefix, cursor_pos: language.prefix.length }),
      ))!,
    );
  let rate: number | undefined;
  if (language.bulk) {
    const began = performance.now();
    await kernel.execute(language.bulk);
    await kernel.until(({ content }) => (content.data as { n?: number } | undefined)?.n === 199, limitMs);
    rate = 200 / ((performance.now() - began) / 1000);
  }
  await kernel.stop();
  times.sort((a, b) => a - b);
  return { execute: median(times), slow: times[47], complete: median(completions), rate };
}

const all = peers();
const starts = new Map<string, { info: number; first: number | undefined }[]>(all.map(({ name }) => [name, []]));
// In turns, so that a slow minute of the machine is shared.
for (let round = 0; round < 5; round++) for (const peer of all) starts.get(peer.name)!.push(await measureStart(peer));

const columns = new Map<string, (string | number | undefined)[]>();
for (const peer of all) {
  const measured = starts.get(peer.name)!;
  const trip = await roundTrip(peer);
  const busy = await whileBusy(peer);
  const rounded = (value: number | undefined) =>
    value === undefined ? 'no answer' : value < 10 ? value.toFixed(1) : value.toFixed(0);
  columns.set(peer.name, [
    rounded(median(measured.map(({ info }) => info))),
    rounded(median(measured.flatMap(({ first }) => first ?? []))),
    `${rounded(trip.execute)} (${rounded(trip.slow)})`,
    rounded(trip.complete),
    await flood(peer),
    await interrupted(peer, peer.language.loop),
    await interrupted(peer, peer.language.awaited),
    rounded(busy.complete),
    rounded(busy.info),
    rounded(busy.beat),
    trip.rate === undefined ? 'none' : trip.rate.toFixed(0),
  ]);
}
const rows = [
  'start to kernel_info, ms',
  'start to first cell done, ms',
  'trivial cell, median (p95), ms',
  'completion, median, ms',
  '20,000 lines',
  'interrupt of while (true), state',
  'interrupt of an awaited loop, state',
  'busy 2.5 s: completion, ms',
  'busy 2.5 s: kernel_info on control, ms',
  'busy 2.5 s: heartbeat, ms',
  'comm to the page, MiB/s',
];
printTable(
  ['kernel', ...all.map(({ name }) => name)],
  rows.map((row, at) => [row, ...all.map(({ name }) => columns.get(name)![at])]),
);
