/** Writes small GGUF files for tests, right or wrong on purpose. */
import type { ByteSource } from '../../kernel/src/engine/model/gguf.ts';

type Scalar = number | string | boolean | bigint;
/** A value of the metadata: type u32 for numbers, string, bool, u64 for bigints, or a list of those. */
type Value = Scalar | readonly Scalar[];

export interface Written {
  magic?: string;
  version?: number;
  tensorCount?: bigint;
  keyCount?: bigint;
  metadata?: Record<string, Value>;
  tensors?: { name: string; dims: readonly (number | bigint)[]; type: number; offset?: number }[];
  /** Bytes after the header, or how many zeros. */
  data?: number | Uint8Array;
}

const codes = { number: 4, boolean: 7, string: 8, bigint: 10 } as const;
const code = (value: Scalar) => codes[typeof value as keyof typeof codes];

const u32 = (n: number) => new Uint8Array(Uint32Array.of(n).buffer);
export const u64 = (n: number | bigint) => new Uint8Array(BigUint64Array.of(BigInt(n)).buffer);
function text(value: string): Uint8Array[] {
  const bytes = new TextEncoder().encode(value);
  return [u64(bytes.length), bytes];
}

function scalar(value: Scalar): Uint8Array[] {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'bigint') return [u64(value)];
  return [typeof value === 'boolean' ? Uint8Array.of(Number(value)) : u32(value)];
}

function value(of: Value): Uint8Array[] {
  if (!Array.isArray(of)) return [u32(code(of as Scalar)), ...scalar(of as Scalar)];
  return [u32(9), u32(code(of[0])), u64(of.length), ...of.flatMap(scalar)];
}

export function ggufBytes(file: Written): Uint8Array {
  const { magic = 'GGUF', version = 3, metadata = {}, tensors = [], data = 0 } = file;
  const keys = Object.entries(metadata);
  const parts = [
    new TextEncoder().encode(magic),
    u32(version),
    u64(file.tensorCount ?? tensors.length),
    u64(file.keyCount ?? keys.length),
    ...keys.flatMap(([key, entry]) => [...text(key), ...value(entry)]),
    ...tensors.flatMap(({ name, dims, type, offset = 0 }) => [
      ...text(name),
      u32(dims.length),
      ...dims.map(u64),
      u32(type),
      u64(offset),
    ]),
  ];
  const header = parts.reduce((n, part) => n + part.length, 0);
  parts.push(new Uint8Array((32 - (header % 32)) % 32), typeof data === 'number' ? new Uint8Array(data + 32) : data);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Bytes in memory as a source; `bytes` may promise more than there is. */
export const sourceOf = (bytes: Uint8Array, path = 'given.gguf'): ByteSource => ({
  path,
  bytes: bytes.length,
  read: async (start, length) => bytes.slice(start, start + length),
  close: async () => {},
});
