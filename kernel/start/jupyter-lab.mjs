/** Runs JupyterLab out of `.venv`: on this machine only, with a token, on the first lesson. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fault } from './fault.mjs';
import { jupyterEnvironment } from './jupyter-files.mjs';
import { endTree } from './processes.mjs';
import { venvProgram } from './python.mjs';

const address = '127.0.0.1';
const patienceMs = 60_000;

/** The part of the address that opens the first lesson, or the folder when there is none. */
export function firstPage(root) {
  let names = [];
  try {
    names = readdirSync(join(root, 'notebooks')).sort();
  } catch {
    return '/lab';
  }
  const lesson = names.find((name) => name.startsWith('01-') && name.endsWith('.ipynb'));
  return lesson ? `/lab/tree/notebooks/${lesson}` : '/lab/tree/notebooks';
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}

/** `wanted` when it is free, otherwise a fault; without a wish, the first free port from 8888 on. */
export async function choosePort(wanted) {
  if (wanted !== undefined) {
    if (await isFree(wanted)) return wanted;
    throw fault(
      'npm start --port',
      'something else listens there',
      wanted,
      'Choose another port, or leave --port out.',
    );
  }
  for (let port = 8888; port < 8988; port++) if (await isFree(port)) return port;
  throw fault('JupyterLab', 'no port is free', '8888 to 8987 in use', 'Name one with --port.');
}

async function answers(url, token) {
  try {
    const reply = await fetch(`${url}/api/status`, { headers: { Authorization: `token ${token}` } });
    return reply.ok;
  } catch {
    return false;
  }
}

/**
 * Starts JupyterLab. Returns at once `{ ready, ended, stop }`: a promise of its address with the token, a promise of its
 * exit code, and a function that ends it together with its kernels, at any time.
 */
export function startJupyterLab(root, { port, browser }) {
  const token = randomBytes(24).toString('hex');
  const page = firstPage(root);
  const args = [
    'lab',
    `--ServerApp.ip=${address}`,
    `--ServerApp.port=${port}`,
    '--ServerApp.port_retries=0',
    `--ServerApp.root_dir=${root}`,
    `--LabApp.default_url=${page}`,
    ...(browser ? [] : ['--no-browser']),
    // Containers run as root; the server listens to this machine only and asks for the token.
    ...(process.getuid?.() === 0 ? ['--allow-root'] : []),
  ];
  // A group of its own: Ctrl-C in the terminal must not reach JupyterLab, which would stop to ask a question.
  const child = spawn(venvProgram(root, 'jupyter'), args, {
    cwd: root,
    env: { ...process.env, ...jupyterEnvironment(root), JUPYTER_TOKEN: token },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
  });
  let log = '';
  const keep = (chunk) => {
    log = (log + chunk).slice(-8192);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let running = true;
  const ended = new Promise((resolve) => {
    const end = (code) => {
      running = false;
      resolve(code ?? 1);
    };
    child.on('error', (error) => {
      keep(error.message);
      end(1);
    });
    child.on('exit', end);
  });
  const stop = async () => {
    if (running) await endTree(child.pid);
  };
  const url = `http://${address}:${port}`;
  const ready = async () => {
    const deadline = performance.now() + patienceMs;
    while (!(await answers(url, token))) {
      if (!running || performance.now() > deadline) {
        const got = running ? `no answer in ${patienceMs / 1000} s` : 'its end';
        await stop();
        const lines = log.trim().split('\n').slice(-12).join('\n    ');
        throw fault('JupyterLab', 'it did not start', got, `Its last lines were:\n    ${lines}`);
      }
      await wait(100);
    }
    return `${url}${page}?token=${token}`;
  };
  return { ready: ready(), ended, stop };
}
