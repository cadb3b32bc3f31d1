/** Rows of a page outside of the stores: taken from them, written to a file as bytes, and read back. */
import type { Part } from '@kvlab/ops';
import { type CacheLayer, parts } from '../cache/layer.ts';
import type { PageRows, Stretch } from '../cache/pages.ts';
import { type CodeArray, codeWidth, releaseSlot, type Store } from '../cache/store.ts';
import type { PageFile } from '../runtime/platform.ts';

/** Slot of an entry whose rows lie in no store. */
export const nowhere = -1;

/** Copies of the rows of some entries. */
export function takeRows({ tables, stores }: CacheLayer, kvHead: number, entries: readonly number[]): PageRows {
  const table = tables[kvHead]!;
  const take = (part: Part): Map<string, CodeArray> => {
    const store = stores[part][table.store[part][entries[0]!]!]!;
    return new Map(
      [...store.codes].map(([name, views]) => {
        const width = codeWidth(store.encoding.codes[name]!, store.headSize);
        const view = views[kvHead]!;
        const out = new (view.constructor as new (n: number) => CodeArray)(entries.length * width);
        for (const [i, e] of entries.entries()) {
          const from = table.slot[part][e]! * width;
          out.set(view.subarray(from, from + width), i * width);
        }
        return [name, out];
      }),
    );
  };
  return {
    position: Int32Array.from(entries, (e) => table.position[e]!),
    codes: { keys: take('keys'), values: take('values') },
  };
}

/** Gives the slots of entries back whose rows are safe elsewhere; the entries stay in the table. */
export function leaveStores({ tables, stores }: CacheLayer, kvHead: number, entries: readonly number[]): void {
  const table = tables[kvHead]!;
  for (const part of parts)
    for (const e of entries) {
      releaseSlot(stores[part][table.store[part][e]!]!, kvHead, table.slot[part][e]!);
      table.slot[part][e] = nowhere;
    }
}

/** FNV-1a over bytes: tells a damaged page from a whole one. */
function checksumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: CodeArray) => new Uint8Array(buffer, byteOffset, byteLength);

/** Appends the rows to the file. */
export async function writeRows({ position, codes }: PageRows, file: PageFile): Promise<Stretch> {
  const pieces = parts.flatMap((part) => [...codes[part].values()].map(bytesOf));
  const bytes = new Uint8Array(pieces.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return { offset: await file.append(bytes), length: bytes.length, checksum: checksumOf(bytes), position };
}

/** Reads rows back. `where` names the page for the message; throws where its bytes are not those that were written. */
export async function readRows(
  { offset, length, checksum, position }: Stretch,
  file: PageFile,
  stores: Record<Part, Store>,
  where: string,
): Promise<PageRows> {
  const bytes = await file.read(offset, length);
  if (bytes.length !== length || checksumOf(bytes) !== checksum)
    throw new Error(
      `${where}: its ${length} bytes at ${offset} of the page file are damaged; the cache is as it was before this step. Run again with more hostBytes, or without disk`,
    );
  let at = 0;
  const read = (part: Part) =>
    new Map(
      [...stores[part].codes].map(([name, views]): [string, CodeArray] => {
        const code = stores[part].encoding.codes[name]!;
        const Type = views[0]!.constructor as new (b: ArrayBuffer) => CodeArray;
        const size = position.length * codeWidth(code, stores[part].headSize) * views[0]!.BYTES_PER_ELEMENT;
        const own = bytes.slice(at, at + size);
        at += size;
        return [name, new Type(own.buffer as ArrayBuffer)];
      }),
    );
  return { position: position.slice(), codes: { keys: read('keys'), values: read('values') } };
}
