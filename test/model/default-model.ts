/** Where tests find the default model's file. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const name = 'SmolLM2-135M-Instruct.Q4_1.gguf';

/** Path of the file. Throws where it is missing: parity with the reference is not something to skip. */
export function defaultModelPath(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const path = process.env.KVLAB_MODEL ?? join(cache, 'kvlab', name);
  if (!existsSync(path)) throw new Error(`${path} is missing; run npm start once, or set KVLAB_MODEL to ${name}`);
  return path;
}
