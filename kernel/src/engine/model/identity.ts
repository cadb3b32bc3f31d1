/** Which model a file holds: a name for its contents, so that what was computed for it once can be found again. */
import type { ModelConfig } from './config.ts';
import type { ByteSource, Gguf } from './gguf.ts';

/** Bytes that are read of each tensor: training on changes them all. */
const sampledBytes = 1024;

/** A hash over the sizes of a model, the list of its tensors and the beginning of each. */
export async function identityOf(gguf: Gguf, source: ByteSource, config: ModelConfig): Promise<string> {
  const pieces: Uint8Array[] = [new TextEncoder().encode(JSON.stringify(config))];
  for (const { name, dims, form, start, bytes } of gguf.tensors.values()) {
    pieces.push(new TextEncoder().encode(`${name} ${dims} ${form.name} `));
    pieces.push(await source.read(start, Math.min(bytes, sampledBytes)));
  }
  return hashOf(pieces);
}

/** SHA-256 of pieces of bytes, one after the other, in hexadecimal. */
export async function hashOf(pieces: readonly Uint8Array[]): Promise<string> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const piece of pieces) {
    all.set(piece, end);
    end += piece.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
