/** Reads a PNG of eight-bit red, green and blue by its specification, so that the writer is judged by another's eyes. */
import assert from 'node:assert/strict';
import { crc32, inflateSync } from 'node:zlib';

export interface Pixels {
  width: number;
  height: number;
  /** Red, green, blue, row by row. */
  rgb: Uint8Array;
}

export function pngPixels(file: Buffer): Pixels {
  assert.equal(file.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const data = file.subarray(at + 8, at + 8 + length);
    assert.equal(
      file.readUInt32BE(at + 8 + length),
      crc32(file.subarray(at + 4, at + 8 + length)),
      `checksum of ${type}`,
    );
    chunks.push({ type, data });
    at += 12 + length;
  }
  assert.deepEqual(
    chunks.map(({ type }) => type),
    ['IHDR', 'IDAT', 'IEND'],
  );
  const head = chunks[0]!.data;
  const [width, height] = [head.readUInt32BE(0), head.readUInt32BE(4)];
  assert.deepEqual([...head.subarray(8)], [8, 2, 0, 0, 0]);
  const rows = inflateSync(chunks[1]!.data);
  const stride = width * 3;
  assert.equal(rows.length, height * (stride + 1));
  const rgb = new Uint8Array(height * stride);
  for (let row = 0; row < height; row++) {
    const filter = rows[row * (stride + 1)]!;
    assert.ok(filter === 0 || filter === 2, `filter ${filter} is none or up`);
    for (let i = 0; i < stride; i++)
      rgb[row * stride + i] =
        rows[row * (stride + 1) + 1 + i]! + (filter === 2 && row > 0 ? rgb[(row - 1) * stride + i]! : 0);
  }
  return { width, height, rgb };
}

/** How many pixels have a colour. */
export function pixelsOf({ rgb }: Pixels, hex: string): number {
  const wanted = Number.parseInt(hex, 16);
  let count = 0;
  for (let i = 0; i < rgb.length; i += 3) if (((rgb[i]! << 16) | (rgb[i + 1]! << 8) | rgb[i + 2]!) === wanted) count++;
  return count;
}
