/** Which Node runs the kernel: 24 or newer, because older ones stall while they compile the runtime's WebAssembly. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const wanted = 24;

function major(version: string): number {
  return Number(version.split('.')[0]);
}

/** The Node that runs this program when it is new enough, else the one from the npm package for this platform. */
export function nodeProgram(env: NodeJS.ProcessEnv = process.env): string {
  if (env.KVLAB_NODE) {
    if (existsSync(env.KVLAB_NODE)) return env.KVLAB_NODE;
    throw new Error(`node: KVLAB_NODE is ${env.KVLAB_NODE}, which is not there; set it to a Node ${wanted} program`);
  }
  if (major(process.versions.node) >= wanted) return process.execPath;
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/package.json`);
    return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  } catch {
    throw new Error(
      `node: this is Node ${process.versions.node} and there is no Node ${wanted} package for ${platform} ${process.arch}; install Node ${wanted} and set KVLAB_NODE to its program`,
    );
  }
}
