/** Makes `.venv`: a Python of the project's own with the pinned packages, by uv where it can be had, else by pip. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { command, tryCommand } from './command.mjs';
import { fault } from './fault.mjs';
import { stamped, writeStamp } from './fingerprint.mjs';

const uvVersion = '0.13.9';
const candidates = process.platform === 'win32' ? ['python', 'python3', 'py'] : ['python3', 'python'];
const programs = process.platform === 'win32' ? 'Scripts' : 'bin';
const ending = process.platform === 'win32' ? '.exe' : '';

/** Absolute path of a program inside `.venv`. */
export function venvProgram(root, name) {
  return join(root, '.venv', programs, name + ending);
}

/** The first Python on the path that is new enough: `{ program, version }`. Otherwise a fault that names what was found. */
export async function findPython(names = candidates) {
  const found = [];
  for (const program of names) {
    const { code, output } = await tryCommand(program, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
    const [major, minor] = output.trim().split('.').map(Number);
    if (code !== 0 || !major) continue;
    if (major === 3 && minor >= 10) return { program, version: `${major}.${minor}` };
    found.push(`${program} ${major}.${minor}`);
  }
  const got = found.length > 0 ? found.join(', ') : 'none on the path';
  throw fault(
    'Python',
    'JupyterLab needs Python 3.10 or newer',
    got,
    'Install it (python.org, or your system) and run it again.',
  );
}

async function hasUv(program) {
  return (await tryCommand(program, ['--version'])).code === 0;
}

/** Makes the empty environment. Returns the uv to fill it with, or undefined when only pip is to be had. */
async function makeEnvironment(root, python, say) {
  const folder = join(root, '.venv');
  rmSync(folder, { recursive: true, force: true });
  if (await hasUv('uv')) {
    const made = await tryCommand('uv', ['venv', '--quiet', '--seed', '--python', python, folder]);
    if (made.code === 0) return 'uv';
    rmSync(folder, { recursive: true, force: true });
  }
  await command('Python environment', python, ['-m', 'venv', folder], {
    todo: "Install Python's venv module (on Debian and Ubuntu: apt install python3-venv) and run it again.",
  });
  return ownUv(root, say);
}

/** uv inside `.venv`, installed by pip when missing. Undefined when it is not to be had. */
async function ownUv(root, say) {
  const uv = venvProgram(root, 'uv');
  if (await hasUv(uv)) return uv;
  if (await hasUv('uv')) return 'uv';
  const pip = [...pipArguments, 'install', '--quiet', `uv==${uvVersion}`];
  if ((await tryCommand(venvProgram(root, 'python'), pip)).code === 0) return uv;
  say('uv is not to be had: using pip, which takes longer');
  return undefined;
}

/** `python ...pipArguments` is pip, without the notice of a newer version and without a cache in the user's home. */
export const pipArguments = ['-m', 'pip', '--disable-pip-version-check', '--no-cache-dir'];

/** uv reads none of pip's settings: hands on an index and a certificate that the user has set for pip. */
async function uvEnvironment(root) {
  const { output } = await tryCommand(venvProgram(root, 'python'), [...pipArguments, 'config', 'list']);
  const setting = (name) => output.match(new RegExp(`^(?:global|install|:env:)\\.${name}='(.*)'$`, 'm'))?.[1];
  const index = process.env.UV_DEFAULT_INDEX ?? setting('index-url');
  const certificate = process.env.SSL_CERT_FILE ?? setting('cert');
  return { ...(index && { UV_DEFAULT_INDEX: index }), ...(certificate && { SSL_CERT_FILE: certificate }) };
}

async function installRequirements(root, uv, file, say) {
  const python = venvProgram(root, 'python');
  if (uv) {
    // Our own uv leaves no cache in the user's home; one on the path uses its own.
    const cache = uv === 'uv' ? [] : ['--no-cache'];
    const args = ['pip', 'install', '--quiet', ...cache, '--python', python, '-r', file];
    const done = await tryCommand(uv, args, { env: await uvEnvironment(root) });
    if (done.code === 0) return;
    say('uv could not install the packages: trying pip');
  }
  await command('Python packages', python, [...pipArguments, 'install', '--quiet', '-r', file], {
    todo: 'Check the network (needed the first time only) and the free disk space, then run it again.',
  });
}

/** Makes `.venv` hold what `files` (requirement files with exact versions) pin. Returns what it did, in words. */
export async function installPython(root, files, say) {
  const { program, version } = await findPython();
  const made = join(root, '.venv', '.kvlab-made');
  const wanted = files.map((file) => ({
    file,
    stamp: join(root, '.venv', `.kvlab-${file.replaceAll(/\W+/g, '-')}`),
    text: readFileSync(join(root, file), 'utf8'),
  }));
  const works = existsSync(made) && (await tryCommand(venvProgram(root, 'python'), ['-c', ''])).code === 0;
  if (works && wanted.every(({ stamp, text }) => stamped(stamp, text))) return 'the pinned packages are there';
  let uv;
  if (works) uv = await ownUv(root, say);
  else {
    say(`making .venv with Python ${version}`);
    uv = await makeEnvironment(root, program, say);
    writeStamp(made, version);
  }
  for (const { file, stamp, text } of wanted) {
    if (stamped(stamp, text)) continue;
    await installRequirements(root, uv, file, say);
    writeStamp(stamp, text);
  }
  return `installed the pinned packages${uv ? ' with uv' : ''}`;
}
