/** Installs the locked npm packages when what is installed is not what the lock file says. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.mjs';
import { findNode24 } from './node24.mjs';

function lockedPackages(path) {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')).packages ?? {}) : undefined;
}

/** The first reason in words why `node_modules` is not the lock file's, or undefined when it is. */
export function whyPackagesDiffer(root) {
  const locked = lockedPackages(join(root, 'package-lock.json')) ?? {};
  const installed = lockedPackages(join(root, 'node_modules', '.package-lock.json'));
  if (!installed) return 'nothing is installed yet';
  for (const [path, entry] of Object.entries(locked)) {
    // Packages of other platforms are optional and absent; workspaces are links into the tree.
    if (!path.startsWith('node_modules/') || entry.optional || entry.link) continue;
    const found = installed[path];
    if (!found) return `${path.slice('node_modules/'.length)} is missing`;
    if (found.version !== entry.version) return `${path.slice('node_modules/'.length)} is ${found.version}`;
  }
  return findNode24(root) ? undefined : 'Node 24 is missing';
}

/** The npm that runs us, or the one on the path. */
function npmCommand() {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
}

export async function npm(where, root, args, todo) {
  const [program, first] = npmCommand();
  return command(where, program, [...first, ...args], { cwd: root, todo });
}

/** Makes `node_modules` what the lock file says. Returns what it did, in words. */
export async function installPackages(root, say) {
  const why = whyPackagesDiffer(root);
  if (!why) return 'the locked packages are there';
  say(`installing, because ${why}`);
  await npm(
    'npm packages',
    root,
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    'Check the network (needed the first time only) and the free disk space, then run it again.',
  );
  return 'installed the locked packages';
}
