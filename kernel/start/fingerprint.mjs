/** Hashes files by content, so that a step runs again exactly when something that it reads has changed. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const skipped = new Set(['node_modules', 'dist', 'lib', 'labextension', '.venv', '.venv-peers', '.git', '__pycache__']);

function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !skipped.has(name))
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/** SHA-256 over the names and contents of all files at or under `paths` (relative to `root`), build results left out. */
export function fingerprint(root, paths, also = '') {
  const hash = createHash('sha256').update(also);
  for (const path of paths) {
    for (const file of filesUnder(join(root, path))) {
      hash.update(`\0${file.slice(root.length)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** Whether `stamp` holds `value`. */
export function stamped(stamp, value) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === value;
}

export function writeStamp(stamp, value) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, value);
}
