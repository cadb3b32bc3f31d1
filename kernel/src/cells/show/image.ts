/** Bytes of an image, told by their first bytes. */
import type { MimeBundle } from '../../host.ts';

const signatures: [mime: string, at: number, bytes: number[]][] = [
  ['image/png', 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['image/jpeg', 0, [0xff, 0xd8, 0xff]],
  ['image/gif', 0, [0x47, 0x49, 0x46, 0x38]],
  ['image/webp', 8, [0x57, 0x45, 0x42, 0x50]],
];

/** A picture for image bytes; undefined for anything else. */
export function imageBundle(value: object): MimeBundle | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  const found = signatures.find(([, at, bytes]) => bytes.every((byte, index) => value[at + index] === byte));
  if (!found) return undefined;
  const [mime] = found;
  return {
    [mime]: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
    'text/plain': `${mime} of ${value.length} bytes`,
  };
}
