/** Node as a platform of the runtime. The only file here that needs Node. */
import { closeSync, existsSync, openSync, read, rmSync, write } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Gpu } from './graphics.ts';
import { openGraphics } from './graphics.ts';
import type { Device, Graphics, PageFile, Platform, Shelf } from './platform.ts';
import type { OrtModule } from './session.ts';

/** More threads than this gain nothing for one token at a time, and each spins while it waits. */
const mostThreads = 4;

const opened = new Map<Device, Promise<{ ort: OrtModule; threads: number }>>();
let gpu: Promise<Gpu> | undefined;

/** Where kvlab keeps what it can fetch or compute again. */
export function cacheFolder(): string {
  const { env, platform } = process;
  if (env['XDG_CACHE_HOME']) return join(env['XDG_CACHE_HOME'], 'kvlab');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'kvlab');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'kvlab');
  return join(homedir(), '.cache', 'kvlab');
}

/** A folder as a shelf. A file appears whole or not at all; a folder that cannot be written keeps nothing. */
export function folderShelf(folder: string): Shelf {
  return {
    read: (name) => readFile(join(folder, name)).catch(() => undefined),
    async write(name, bytes) {
      const unfinished = join(folder, `${name}.${process.pid}`);
      try {
        await mkdir(folder, { recursive: true });
        await writeFile(unfinished, bytes);
        await rename(unfinished, join(folder, name));
      } catch {}
    },
  };
}

const [readAt, writeAt] = [promisify(read), promisify(write)];
const openFiles = new FinalizationRegistry(closeSync);

/** A file in the folder for temporary ones. Its name goes at once where the system allows that, so that nothing is left behind
 *  whatever ends the process. */
async function openPages(): Promise<PageFile> {
  const path = join(await mkdtemp(join(tmpdir(), 'kvlab-pages-')), 'pages');
  const file = openSync(path, 'wx+');
  try {
    rmSync(dirname(path), { recursive: true });
  } catch {
    process.once('exit', () => rmSync(dirname(path), { recursive: true, force: true }));
  }
  let end = 0;
  const pages: PageFile = {
    async append(bytes) {
      const offset = end;
      end += bytes.length;
      await writeAt(file, bytes, 0, bytes.length, offset);
      return offset;
    },
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await readAt(file, bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    },
  };
  openFiles.register(pages, file);
  return pages;
}

export const node: Platform = {
  openPages,
  shelf: folderShelf(join(cacheFolder(), 'fits')),
  threads: Math.min(availableParallelism(), mostThreads),
  availableBytes: () => process.availableMemory(),
  ort(device, threads) {
    const module = opened.get(device) ?? (device === 'wasm' ? wasmModule(threads) : webgpuModule());
    opened.set(device, module);
    return module;
  },
  async graphics(software): Promise<Graphics> {
    if (!software && !mayHaveGraphics()) return { why: 'this machine has no graphics device' };
    try {
      return await openGraphics(await (gpu ??= openGpu()), software);
    } catch (error) {
      return { why: `the graphics device could not be opened (${error instanceof Error ? error.message : error})` };
    }
  },
};

/** False on a Linux without device files of a graphics card: looking for adapters there finds software ones at most, takes
 *  half a second, and makes Vulkan drivers complain on the terminal. */
function mayHaveGraphics(): boolean {
  // Who points Vulkan at a driver wants it to be looked at.
  if (process.platform !== 'linux' || process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES) return true;
  return ['/dev/dri', '/dev/nvidia0', '/dev/dxg', '/dev/kfd'].some(existsSync);
}

async function wasmModule(threads: number): Promise<{ ort: OrtModule; threads: number }> {
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = threads;
  return { ort, threads };
}

/** The WebGPU build is compiled for browsers: with more than one thread it would fetch its own file by URL, which Node
 *  refuses. One thread is enough, since the products run on the device. */
async function webgpuModule(): Promise<{ ort: OrtModule; threads: number }> {
  const ort = await import('onnxruntime-web/webgpu');
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await readFile(
    fileURLToPath(import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm')),
  );
  return { ort, threads: 1 };
}

/** Puts WebGPU on the global object, where ONNX Runtime looks for it. */
async function openGpu(): Promise<Gpu> {
  // Without this folder some Vulkan drivers complain on the terminal.
  process.env.XDG_RUNTIME_DIR ??= tmpdir();
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const found = create([]) as unknown as Gpu;
  Object.defineProperty(globalThis.navigator, 'gpu', { value: found, configurable: true });
  copySharedWrites();
  return found;
}

/** Dawn's Node binding refuses views of shared memory, in which the WebAssembly heap lies; the standard allows them. */
function copySharedWrites(): void {
  const queue = (globalThis as unknown as { GPUQueue: { prototype: { writeBuffer: (...args: unknown[]) => void } } })
    .GPUQueue;
  const write = queue.prototype.writeBuffer;
  queue.prototype.writeBuffer = function (buffer, start, data, offset, size) {
    const shared =
      data instanceof SharedArrayBuffer || (ArrayBuffer.isView(data) && data.buffer instanceof SharedArrayBuffer);
    if (!shared) return write.call(this, buffer, start, data, offset, size);
    // For a view, offset and size count elements; for a bare buffer, bytes.
    const source = (data instanceof SharedArrayBuffer ? new Uint8Array(data) : data) as Uint8Array;
    const from = (offset as number | undefined) ?? 0;
    const copy = source.slice(from, size === undefined ? undefined : from + (size as number));
    return write.call(this, buffer, start, copy);
  };
}
