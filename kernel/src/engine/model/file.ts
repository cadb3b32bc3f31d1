/** A file on disk as a source of bytes. Node only. */
import { open } from 'node:fs/promises';
import type { ByteSource } from './gguf.ts';

/** Opens a file. Errors say that it is missing, a folder or not readable. */
export async function openFile(path: string): Promise<ByteSource> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === 'ENOENT'
        ? `${path}: there is no such file; give the path of a GGUF file`
        : `${path}: it cannot be read (${error.code}); give the path of a GGUF file that you may read`,
    );
  });
  const stat = await file.stat();
  if (!stat.isFile()) {
    await file.close();
    throw new Error(`${path}: it is not a file; give the path of a GGUF file`);
  }
  return {
    path,
    bytes: stat.size,
    async read(start, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await file.read(bytes, done, length - done, start + done);
        if (bytesRead === 0)
          throw new Error(`${path}: it ends at byte ${start + done}, while ${start + length} are needed`);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => file.close(),
  };
}
