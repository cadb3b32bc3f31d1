/** Builds the three packages, each only when its sources, or those of a package that it reads, have changed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, stamped, writeStamp } from './fingerprint.mjs';
import { npm } from './packages.mjs';

const shared = ['tsconfig.base.json', 'package-lock.json'];

/** In build order: what a package is made of, and a file that is there when it has been built. */
export const parts = [
  { name: 'ops', sources: ['ops'], result: 'ops/dist' },
  {
    name: 'kernel',
    sources: ['ops', 'kernel/src', 'kernel/package.json', 'kernel/tsconfig.json'],
    result: 'kernel/dist/index.js',
  },
  {
    name: 'lab-extension',
    sources: ['lab-extension', 'kernel/src/engine/record/frame.ts'],
    result: 'lab-extension/labextension/package.json',
  },
];

/** Builds one package if need be. Returns whether it was built. */
export async function buildPart(root, part) {
  const stamp = join(root, 'node_modules', '.kvlab', `built-${part.name}`);
  const value = fingerprint(root, [...part.sources, ...shared]);
  if (stamped(stamp, value) && existsSync(join(root, part.result))) return false;
  await npm(
    `build of ${part.name}`,
    root,
    ['run', 'build', '--silent', '--workspace', part.name],
    'Mend what the compiler names.',
  );
  writeStamp(stamp, value);
  return true;
}

/** Builds what has changed. Returns what it did, in words. */
export async function build(root) {
  const built = [];
  for (const part of parts) if (await buildPart(root, part)) built.push(part.name);
  return built.length > 0 ? `built ${built.join(', ')}` : 'nothing has changed';
}
