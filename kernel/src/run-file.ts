/** Recorded runs as files: Arrow, and gzip around it where the name ends in `.gz`. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openRun, saveRun } from './engine/record/arrow.ts';
import type { Frame } from './engine/record/frame.ts';

/** Largest file that is unpacked, in bytes: a small damaged file must not fill the memory. */
const unpackedLimit = 512 * 2 ** 20;

export async function writeRunFile(path: string, snapshot: Frame): Promise<void> {
  const bytes = saveRun(snapshot);
  await writeFile(path, path.endsWith('.gz') ? gzipSync(bytes, { level: 9 }) : bytes);
}

const recordings = join(import.meta.dirname, '../../fixtures/recorded');
const ending = '.arrow.gz';

/** Path of a run that comes with the repository, by a name such as `recorded:h2o`; any other path as it is. */
async function pathOf(path: string): Promise<string> {
  const [, name] = /^recorded:(.*)$/.exec(path) ?? [];
  if (name === undefined) return path;
  const names = (await readdir(recordings))
    .filter((file) => file.endsWith(ending))
    .map((f) => f.slice(0, -ending.length));
  if (names.includes(name)) return join(recordings, `${name}${ending}`);
  throw new Error(`open: there is no recorded run ${name}; there is ${names.join(', ')}`);
}

/** Reads a file that `writeRunFile` wrote, whatever its name, and marks the run as recorded. */
export async function readRunFile(path: string): Promise<Frame> {
  const bytes = await readFile(await pathOf(path));
  const frame = openRun(bytes[0] === 0x1f && bytes[1] === 0x8b ? unpacked(bytes, path) : bytes);
  const { info } = frame.header;
  if (!info) throw new Error(`open: ${path} has no facts about its run; save it again with run.save`);
  return { ...frame, header: { ...frame.header, info: { ...info, recorded: true } } };
}

function unpacked(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: unpackedLimit });
  } catch (error) {
    throw new Error(`open: ${path} cannot be unpacked (${(error as Error).message}); save it again with run.save`);
  }
}
