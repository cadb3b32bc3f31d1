/** `kvlab doctor`: what is installed, and whether a kernel starts, runs TypeScript and finds its device. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dealer, Subscriber } from 'zeromq';
import type { Connection } from '../connection.ts';
import { kernelInfo } from '../kernel-info.ts';
import { type Content, decode, encode, header, signer } from '../messages.ts';
import { kernelMain, type Place, specTarget } from './kernelspec.ts';
import { nodeProgram } from './node-program.ts';

interface Finding {
  name: string;
  ok: boolean;
  text: string;
  /** What to do when it is not well. */
  remedy?: string;
}

const limitMs = 60_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a kernel as Jupyter does, runs the cells, and returns the text of their results. */
async function runCells(cells: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-doctor-'));
  const [shell_port, control_port, iopub_port, stdin_port, hb_port] = await Promise.all(
    Array.from({ length: 5 }, freePort),
  );
  const key = randomUUID();
  const file = join(folder, 'connection.json');
  const scheme = 'hmac-sha256';
  const connection = { transport: 'tcp', ip: '127.0.0.1', key, signature_scheme: scheme };
  const ports = { shell_port, control_port, iopub_port, stdin_port, hb_port } as Pick<Connection, 'shell_port'>;
  writeFileSync(file, JSON.stringify({ ...connection, ...ports }), { mode: 0o600 });
  const child = spawn(nodeProgram(), [kernelMain, file], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const sign = signer(scheme, key);
  const shell = new Dealer({ linger: 0, receiveTimeout: limitMs });
  const iopub = new Subscriber({ linger: 0, receiveTimeout: limitMs });
  try {
    shell.connect(`tcp://127.0.0.1:${shell_port}`);
    iopub.connect(`tcp://127.0.0.1:${iopub_port}`);
    iopub.subscribe('');
    // The welcome says that nothing of what follows will be missed.
    await iopub.receive();
    const texts: string[] = [];
    for (const code of cells) {
      const request = { code, silent: false, store_history: false, allow_stdin: false };
      const head = header('execute_request', 'doctor');
      await shell.send(
        encode({ identities: [], header: head, parent: {}, metadata: {}, content: request, buffers: [] }, sign),
      );
      const reply: Content = decode(await shell.receive(), sign).content;
      if (reply.status !== 'ok') throw new Error(`${code}: ${reply.evalue}`);
      for (;;) {
        const { header: of, parent, content } = decode(await iopub.receive(), sign);
        if (parent.msg_id !== head.msg_id) continue;
        if (of.msg_type === 'execute_result')
          texts.push(String((content.data as Record<string, string>)['text/plain']));
        if (of.msg_type === 'status' && content.execution_state === 'idle') break;
      }
    }
    return texts;
  } catch (error) {
    throw new Error(`${(error as Error).message}${log ? `\n${log}` : ''}`);
  } finally {
    shell.close();
    iopub.close();
    child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
}

function specFinding(place: Place): Finding {
  const name = 'kernelspec';
  try {
    const path = join(specTarget(place), 'kernel.json');
    if (!existsSync(path))
      return {
        name,
        ok: false,
        text: `none at ${path}`,
        remedy: 'run kvlab install, with --prefix or --user where you need it',
      };
    const { argv } = JSON.parse(readFileSync(path, 'utf8')) as { argv: string[] };
    const missing = argv.slice(0, 2).find((part) => !existsSync(part));
    return missing
      ? { name, ok: false, text: `${path} names ${missing}, which is not there`, remedy: 'run kvlab install again' }
      : { name, ok: true, text: path };
  } catch (error) {
    return { name, ok: false, text: (error as Error).message, remedy: 'run kvlab doctor --prefix P, or --user' };
  }
}

function nodeFinding(): Finding {
  try {
    return { name: 'Node', ok: true, text: nodeProgram() };
  } catch (error) {
    return { name: 'Node', ok: false, text: (error as Error).message, remedy: 'install Node 24' };
  }
}

async function kernelFindings(): Promise<Finding[]> {
  const remedy = 'run npm install and npm run build in the folder of kvlab, then try again';
  try {
    const began = performance.now();
    const [sum, device] = await runCells([
      '20 + 22',
      `import { lab } from 'kvlab'; const { device, why } = await lab.device(); [device, why].filter(Boolean).join(': ')`,
    ]);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    return [
      { name: 'kernel', ok: sum === '42', text: `a cell ran and answered ${sum}, ${seconds} s with the start`, remedy },
      { name: 'device', ok: true, text: device!.replace(/^'|'$/g, '') },
    ];
  } catch (error) {
    return [{ name: 'kernel', ok: false, text: (error as Error).message, remedy }];
  }
}

/** Looks at everything, prints a line for each, and returns whether all is well. */
export async function doctor(place: Place, print: (line: string) => void): Promise<boolean> {
  const { banner } = kernelInfo();
  const findings: Finding[] = [{ name: 'versions', ok: true, text: String(banner) }, nodeFinding(), specFinding(place)];
  findings.push(...(await kernelFindings()));
  for (const { name, ok, text, remedy } of findings) {
    print(`${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(10)} ${text}`);
    if (!ok && remedy) print(`     what to do: ${remedy}`);
  }
  return findings.every(({ ok }) => ok);
}
