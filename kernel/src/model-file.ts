/** Where the default model lies; `npm start` puts it there (`kernel/start/model-file.mjs` says where in the same words). */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

const file = 'SmolLM2-135M-Instruct.Q4_1.gguf';

function cacheFolder(): string {
  const { env, platform } = process;
  if (env['XDG_CACHE_HOME']) return join(env['XDG_CACHE_HOME'], 'kvlab');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'kvlab');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'kvlab');
  return join(homedir(), '.cache', 'kvlab');
}

/** The path to load: what was given, else `KVLAB_MODEL`, else the cached default. Throws when nothing is there. */
export function modelFile(given?: string): string {
  const path = resolve(given ?? process.env['KVLAB_MODEL'] ?? join(cacheFolder(), file));
  if (!existsSync(path))
    throw new Error(
      `load: there is no file ${path}; ${given ? 'check the path' : 'run npm start once, which fetches the default model'}`,
    );
  return path;
}
