/** The real jupyter-server with our kernel, and JupyterLab's own client library on it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kernel, KernelManager, ServerConnection } from '@jupyterlab/services';
import { within } from './client.ts';
import { python, writeKernelspec } from './python.ts';

export interface JupyterServer {
  process: ChildProcess;
  log(): string;
  /** Starts a kernel and connects to it as a page does. */
  kernel(): Promise<Kernel.IKernelConnection>;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a server of its own, with its default limits. */
export async function startServer(): Promise<JupyterServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-server-'));
  writeKernelspec(folder);
  const port = await freePort();
  const token = 'test-token';
  const child = spawn(
    python,
    [
      '-m',
      'jupyter_server',
      '--allow-root',
      '--no-browser',
      '--ip=127.0.0.1',
      `--port=${port}`,
      '--ServerApp.port_retries=0',
      `--IdentityProvider.token=${token}`,
      `--ServerApp.root_dir=${folder}`,
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        JUPYTER_PATH: folder,
        JUPYTER_CONFIG_DIR: join(folder, 'config'),
        JUPYTER_DATA_DIR: join(folder, 'data'),
        JUPYTER_RUNTIME_DIR: join(folder, 'runtime'),
      },
    },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  const base = `http://127.0.0.1:${port}/`;
  const answers = async () => (await fetch(`${base}api/status?token=${token}`).catch(() => undefined))?.ok === true;
  const end = performance.now() + 30_000;
  while (!(await answers())) {
    if (performance.now() > end) throw new Error(`jupyter-server did not answer:\n${log}`);
    await new Promise((turn) => setTimeout(turn, 100));
  }
  const serverSettings = ServerConnection.makeSettings({ baseUrl: base, wsUrl: base.replace('http', 'ws'), token });
  const manager = new KernelManager({ serverSettings });
  await manager.ready;
  return {
    process: child,
    log: () => log,
    kernel: async () => {
      const kernel = await manager.startNew({ name: 'kvlab' });
      await within(30_000, 'kernel info', kernel.info);
      return kernel;
    },
    async stop() {
      await manager.shutdownAll().catch(() => undefined);
      manager.dispose();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await within(10_000, 'server end', ended).catch(() => child.kill('SIGKILL'));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
