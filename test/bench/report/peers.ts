/** The peers that `npm run bench -- --peers` measures beside us: PyTorch and transformers in a Python of their own. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../../../kernel/start/command.mjs';
import { stamped, writeStamp } from '../../../kernel/start/fingerprint.mjs';
import { findPython, pipArguments } from '../../../kernel/start/python.mjs';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, '.venv-peers');
const requirements = join(import.meta.dirname, 'peers.txt');

/** Whether the peers were asked for. */
export function wantsPeers(): boolean {
  return process.argv.includes('--peers');
}

function bytesUnder(path: string): number {
  return readdirSync(path, { withFileTypes: true }).reduce((sum, entry) => {
    const below = join(path, entry.name);
    if (entry.isSymbolicLink()) return sum;
    return sum + (entry.isDirectory() ? bytesUnder(below) : statSync(below).size);
  }, 0);
}

/** Path of a Python with the peers, installed first when they are not there; says where, and how large that is. */
export async function peerPython(): Promise<string> {
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const stamp = join(folder, '.kvlab-peers');
  const wanted = readFileSync(requirements, 'utf8');
  if (!existsSync(python) || !stamped(stamp, wanted)) {
    console.log(`installing the peers in ${folder}: 1 GB with PyTorch for the CPU, several with the one for GPUs`);
    const { program } = await findPython();
    await command('peers', program, ['-m', 'venv', folder]);
    await command('peers', python, [...pipArguments, 'install', '--quiet', '-r', requirements]);
    writeStamp(stamp, wanted);
  }
  console.log(`peers: ${folder}, ${(bytesUnder(folder) / 1e9).toFixed(1)} GB; delete it when you are done`);
  return python;
}

/** Runs a Python program with the peers and returns the JSON that it prints as its last line. */
export function askPeer<Answer>(python: string, script: string, args: readonly string[] = []): Answer {
  const { status, stdout, stderr } = spawnSync(python, [script, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0)
    throw new Error(`peer ${script}: it failed with exit code ${status}. Its last lines:\n${stderr.slice(-2000)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Answer;
}
