/** Reads a GGUF file: metadata at once, tensors when asked.
 *
 *  A file may be damaged or hostile, so every length is checked against what is left of the file before anything is
 *  allocated for it. Errors name the file, what was found and what is supported. */
import { type BlockForm, blockForms, blockNames, otherForms } from './blocks.ts';

/** Where bytes come from: a file in Node, a Blob or a cached response in a browser. */
export interface ByteSource {
  /** For error messages. */
  path: string;
  bytes: number;
  /** Exactly `length` bytes from `start`. */
  read(start: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export type MetadataValue = number | boolean | string | readonly number[] | readonly boolean[] | readonly string[];

export interface TensorInfo {
  name: string;
  /** As in the file: the fastest axis first. */
  dims: readonly number[];
  form: BlockForm;
  /** Bytes from the start of the file. */
  start: number;
  bytes: number;
}

export interface Gguf {
  path: string;
  metadata: ReadonlyMap<string, MetadataValue>;
  tensors: ReadonlyMap<string, TensorInfo>;
  /** The stored bytes of a tensor, or of `count` blocks of it from block `from` on. */
  read(tensor: TensorInfo): Promise<Uint8Array>;
}

/** More than this is no header of a model that fits into memory. */
const longestHeader = 512 * 2 ** 20;
const firstRead = 8 * 2 ** 20;

/** Reads the header. Nothing of the tensors is touched, but each must lie inside the file. */
export async function readGguf(source: ByteSource): Promise<Gguf> {
  for (let length = Math.min(firstRead, source.bytes); ; length = Math.min(length * 4, source.bytes)) {
    const window = await source.read(0, length);
    const header = parse(window, source);
    if (header) return { path: source.path, ...header, read: (tensor) => source.read(tensor.start, tensor.bytes) };
    if (length >= Math.min(longestHeader, source.bytes))
      throw problem(source, `its header is longer than ${length} bytes`, 'get the file again');
  }
}

function problem(source: ByteSource, found: string, remedy: string): Error {
  return new Error(`${source.path}: ${found}; ${remedy}`);
}

/** Thrown when the header goes on behind the window but not behind the file. */
const needsMore = Symbol('needs more of the file');

function parse(window: Uint8Array, source: ByteSource): Pick<Gguf, 'metadata' | 'tensors'> | undefined {
  try {
    return parseHeader(window, source);
  } catch (signal) {
    if (signal === needsMore) return undefined;
    throw signal;
  }
}

const utf8 = new TextDecoder('utf-8');

function parseHeader(window: Uint8Array, source: ByteSource): Pick<Gguf, 'metadata' | 'tensors'> {
  const view = new DataView(window.buffer, window.byteOffset, window.byteLength);
  const again = 'get the file again';
  let at = 0;

  /** Moves on by `length` bytes and gives the place where they start. */
  function take(length: number, what: string): number {
    const start = at;
    if (!(length <= source.bytes - start))
      throw problem(
        source,
        `${what} needs ${length} bytes at byte ${start}, and the file ends at ${source.bytes}`,
        again,
      );
    if (start + length > window.length) throw needsMore;
    at = start + length;
    return start;
  }
  const u32 = (what: string) => view.getUint32(take(4, what), true);
  function u64(what: string): number {
    const value = view.getBigUint64(take(8, what), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw problem(source, `${what} is ${value}`, again);
    return Number(value);
  }
  /** A count of things that take at least `smallest` bytes each. */
  function count(what: string, smallest: number): number {
    const n = u64(what);
    if (n * smallest > source.bytes - at)
      throw problem(source, `${what} is ${n}, too many for the ${source.bytes - at} bytes that follow`, again);
    return n;
  }
  function string(what: string): string {
    const length = count(`the length of ${what}`, 1);
    const start = take(length, what);
    return utf8.decode(window.subarray(start, start + length));
  }

  /** Readers of fixed size by value type, with that size. */
  const scalars: Record<number, [number, (start: number) => number | boolean]> = {
    0: [1, (p) => view.getUint8(p)],
    1: [1, (p) => view.getInt8(p)],
    2: [2, (p) => view.getUint16(p, true)],
    3: [2, (p) => view.getInt16(p, true)],
    4: [4, (p) => view.getUint32(p, true)],
    5: [4, (p) => view.getInt32(p, true)],
    6: [4, (p) => view.getFloat32(p, true)],
    7: [1, (p) => view.getUint8(p) !== 0],
    10: [8, (p) => Number(view.getBigUint64(p, true))],
    11: [8, (p) => Number(view.getBigInt64(p, true))],
    12: [8, (p) => view.getFloat64(p, true)],
  };
  function value(type: number, key: string): MetadataValue {
    const scalar = scalars[type];
    if (scalar) return scalar[1](take(scalar[0], key));
    if (type === 8) return string(key);
    if (type !== 9) throw problem(source, `${key} has the unknown value type ${type}`, 'types 0 to 12 are supported');
    const element = u32(`the element type of ${key}`);
    if (element === 8) return Array.from({ length: count(`the length of ${key}`, 8) }, () => string(key));
    const reader = scalars[element];
    if (!reader)
      throw problem(source, `${key} is a list of type ${element}`, 'lists of numbers and strings are supported');
    const [size, read] = reader;
    const length = count(`the length of ${key}`, size);
    const start = take(length * size, key);
    return Array.from({ length }, (_, i) => read(start + i * size)) as number[];
  }

  const magic = source.bytes < 4 ? '' : utf8.decode(window.subarray(take(4, 'the file mark'), 4));
  if (magic !== 'GGUF')
    throw problem(
      source,
      `it starts with ${JSON.stringify(magic)}`,
      'a GGUF file, which starts with "GGUF", is supported',
    );
  const version = u32('the version');
  if (version !== 2 && version !== 3)
    throw problem(source, `its GGUF version is ${version}`, 'versions 2 and 3, little endian, are supported');
  const tensorCount = count('the number of tensors', 24);
  const keyCount = count('the number of metadata entries', 13);

  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = string('the name of a metadata entry');
    metadata.set(key, value(u32(`the type of ${key}`), key));
  }

  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !(alignment > 0))
    throw problem(source, `general.alignment is ${alignment}`, 'a positive number is supported');
  const found: { name: string; dims: number[]; code: number; offset: number }[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = string('the name of a tensor');
    const rank = u32(`the number of dimensions of ${name}`);
    if (rank < 1 || rank > 4) throw problem(source, `${name} has ${rank} dimensions`, '1 to 4 are supported');
    const dims = Array.from({ length: rank }, () => u64(`a dimension of ${name}`));
    found.push({ name, dims, code: u32(`the type of ${name}`), offset: u64(`the offset of ${name}`) });
  }
  const data = Math.ceil(at / alignment) * alignment;
  const tensors = new Map<string, TensorInfo>();
  for (const { name, dims, code, offset } of found) {
    const form = blockForms.get(code);
    if (!form)
      throw problem(
        source,
        `${name} has tensor type ${otherForms.get(code) ?? `number ${code}`}`,
        `${blockNames.join(', ')} are supported`,
      );
    const elements = dims.reduce((product, n) => product * n, 1);
    if (dims[0]! % form.elements !== 0)
      throw problem(
        source,
        `${name} [${dims}] has rows that are no whole blocks of ${form.elements} (${form.name})`,
        again,
      );
    const bytes = (elements / form.elements) * form.bytes;
    const start = data + offset;
    if (!(start + bytes <= source.bytes))
      throw problem(
        source,
        `${name} [${dims}] ${form.name} ends at byte ${start + bytes}, and the file ends at ${source.bytes}`,
        'the file is incomplete or damaged; get it again',
      );
    tensors.set(name, { name, dims, form, start, bytes });
  }
  return { metadata, tensors };
}
