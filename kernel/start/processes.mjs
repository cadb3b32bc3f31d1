/** The processes below one of ours: who they are, and how to make sure that none outlives us. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { tryCommand } from './command.mjs';

const isWindows = process.platform === 'win32';

/** `[pid, parent]` of every process. Linux tells it in files, so that no `ps` has to be installed. */
async function allProcesses() {
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          // The program's name in parentheses may hold blanks and parentheses: what follows the last one is regular.
          const [, parent] = readFileSync(`/proc/${name}/stat`, 'utf8')
            .replace(/^.*\) /s, '')
            .split(' ');
          return [[Number(name), Number(parent)]];
        } catch {
          return [];
        }
      });
  }
  const { output } = await tryCommand('ps', ['-A', '-o', 'pid=,ppid=']);
  return output
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
}

/** Ids of all processes that `pid` started, directly or through others. Empty on Windows, where `taskkill` walks the tree. */
export async function descendants(pid) {
  if (isWindows) return [];
  const pairs = await allProcesses();
  const below = (parent) => pairs.filter(([, of]) => of === parent).flatMap(([child]) => [child, ...below(child)]);
  return below(pid);
}

/** Whether a process is there. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended in the meantime, which is what was wanted.
  }
}

/** Waits until none of `pids` is alive, at most `ms` milliseconds. Returns those that still are. */
async function goneWithin(pids, ms) {
  const end = performance.now() + ms;
  let left = pids.filter(isAlive);
  while (left.length > 0 && performance.now() < end) {
    await wait(50);
    left = left.filter(isAlive);
  }
  return left;
}

/**
 * Ends a process and everything below it: asks it first, so that it can shut its own children down, and after
 * `patienceMs` milliseconds ends what is left by force.
 */
export async function endTree(pid, patienceMs = 8000) {
  if (isWindows) {
    await tryCommand('taskkill', ['/pid', String(pid), '/T', '/F']);
    return;
  }
  // Listed before anything ends: an orphan is no longer found below its parent.
  const all = [pid, ...(await descendants(pid))];
  signal(pid, 'SIGTERM');
  await goneWithin([pid], patienceMs);
  for (const left of await goneWithin(all, 500)) signal(left, 'SIGKILL');
  await goneWithin(all, 2000);
}
