/** Finds the Node 24 that runs the kernel and the tests: a locked npm package, one per platform, no install script. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fault } from './fault.mjs';

/** Absolute path of the Node 24 program under `root`, or undefined when it is not installed. `KVLAB_NODE` wins. */
export function findNode24(root, { platform = process.platform, arch = process.arch, env = process.env } = {}) {
  if (env.KVLAB_NODE) return existsSync(env.KVLAB_NODE) ? env.KVLAB_NODE : undefined;
  const target = `${platform === 'win32' ? 'win' : platform}-${arch}`;
  const program = platform === 'win32' ? 'node.exe' : 'node';
  // The package for Macs with Apple's processors has another name than its siblings.
  const names = [`node-${target}`, `node-bin-${target}`];
  return names.map((name) => join(root, 'node_modules', name, 'bin', program)).find((path) => existsSync(path));
}

/** Like `findNode24`, but its absence is a fault. */
export function node24(root, options = {}) {
  const found = findNode24(root, options);
  if (found) return found;
  const { platform = process.platform, arch = process.arch, env = process.env } = options;
  throw fault(
    'Node 24',
    'no Node 24 for this machine is installed',
    env.KVLAB_NODE ? `KVLAB_NODE=${env.KVLAB_NODE}, which is not there` : `${platform} ${arch}`,
    'Install Node 24 yourself and set KVLAB_NODE to its program.',
  );
}
