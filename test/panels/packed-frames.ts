/** A made-up run as one file: for each frame the lengths of header and buffer, then both. */
import { type RecordedOptions, recordedRun } from './recorded-run.ts';

export function packedFrames(options: RecordedOptions): Buffer {
  const parts: Buffer[] = [];
  for (const frame of recordedRun(options)) {
    const header = Buffer.from(JSON.stringify(frame.header));
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32LE(header.length, 0);
    sizes.writeUInt32LE(frame.buffer.byteLength, 4);
    parts.push(sizes, header, Buffer.from(frame.buffer));
  }
  return Buffer.concat(parts);
}
