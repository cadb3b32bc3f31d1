/** Python programs of `.venv` against the kernel under test. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernelMain } from './client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const python = process.env.KVLAB_PYTHON ?? join(root, '.venv', 'bin', 'python');

export interface Ran {
  code: number | null;
  output: string;
}

/** Writes a kernelspec for the built kernel below `folder`, made from the template that ships. */
export function writeKernelspec(folder: string, name = 'kvlab'): void {
  const template = JSON.parse(readFileSync(join(root, 'kernel', 'kernelspec', 'kernel.template.json'), 'utf8'));
  const target = join(folder, 'kernels', name);
  mkdirSync(target, { recursive: true });
  const argv = [process.execPath, kernelMain, '{connection_file}'];
  writeFileSync(join(target, 'kernel.json'), JSON.stringify({ ...template, argv }));
}

/** Runs Python with a Jupyter path that holds our kernelspec, and `stdin` typed in; its folders are removed afterwards. */
export async function runPython(args: string[], { cwd = root, ms = 120_000, stdin = '' } = {}): Promise<Ran> {
  if (!existsSync(python)) throw new Error(`test: ${python} is missing; run npm test, which makes it`);
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-jupyter-'));
  writeKernelspec(folder);
  const child = spawn(python, args, {
    cwd,
    env: {
      ...process.env,
      JUPYTER_PATH: folder,
      JUPYTER_CONFIG_DIR: join(folder, 'config'),
      JUPYTER_DATA_DIR: join(folder, 'data'),
      JUPYTER_RUNTIME_DIR: join(folder, 'runtime'),
    },
  });
  child.stdin.end(stdin);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  rmSync(folder, { recursive: true, force: true });
  return { code, output };
}
