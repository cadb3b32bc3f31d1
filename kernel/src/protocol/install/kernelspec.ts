/** Writing the kernelspec where Jupyter looks, and taking it away again. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeProgram } from './node-program.ts';

const packageFolder = fileURLToPath(new URL('../../../', import.meta.url));
/** Source of template and logos. */
const specFolder = join(packageFolder, 'kernelspec');
export const kernelMain = join(packageFolder, 'dist', 'protocol', 'main.js');

/** Where to install: for one Python environment, for the user, or below a prefix. */
export type Place = { kind: 'sys-prefix'; python?: string } | { kind: 'user' } | { kind: 'prefix'; prefix: string };

function userData(): string {
  if (process.env.JUPYTER_DATA_DIR) return process.env.JUPYTER_DATA_DIR;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Jupyter');
  if (process.platform === 'win32') return join(process.env.APPDATA ?? homedir(), 'jupyter');
  return join(process.env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'jupyter');
}

function sysPrefix(python: string): string {
  const { status, stdout, error } = spawnSync(python, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(
      `install: ${python} gave no prefix${error ? ` (${error.message})` : ''}; name a Python with --python`,
    );
  return stdout.trim();
}

/** Folder of the kernelspec. */
export function specTarget(place: Place): string {
  const share = {
    'sys-prefix': () => join(sysPrefix((place as { python?: string }).python ?? 'python3'), 'share', 'jupyter'),
    user: userData,
    prefix: () => join((place as { prefix: string }).prefix, 'share', 'jupyter'),
  }[place.kind]();
  return join(share, 'kernels', 'kvlab');
}

/** Writes `kernel.json` and the logos. Returns the folder. */
export function installSpec(place: Place): string {
  const target = specTarget(place);
  const template = JSON.parse(readFileSync(join(specFolder, 'kernel.template.json'), 'utf8')) as object;
  const argv = [nodeProgram(), kernelMain, '{connection_file}'];
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'kernel.json'), `${JSON.stringify({ ...template, argv }, undefined, 2)}\n`);
  for (const name of readdirSync(specFolder))
    if (name.startsWith('logo-')) cpSync(join(specFolder, name), join(target, name));
  return target;
}

/** Removes the kernelspec; false when there is none. */
export function uninstallSpec(place: Place): boolean {
  const target = specTarget(place);
  const there = existsSync(target);
  rmSync(target, { recursive: true, force: true });
  return there;
}
