/** Where the default model lies; `npm start` puts it there (`kernel/start/model-file.mjs` says where in the same words). */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheFolder } from './engine/runtime/node.ts';

const file = 'SmolLM2-135M-Instruct.Q4_1.gguf';

/** The path to load: what was given, else `KVLAB_MODEL`, else the cached default. Throws when nothing is there. */
export function modelFile(given?: string): string {
  const path = resolve(given ?? process.env['KVLAB_MODEL'] ?? join(cacheFolder(), file));
  if (!existsSync(path))
    throw new Error(
      `load: there is no file ${path}; ${given ? 'check the path' : 'run npm start once, which fetches the default model'}`,
    );
  return path;
}
