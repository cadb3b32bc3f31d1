/** A run as one file: for each frame the lengths of header and buffer, then both. */
import { type Bundle, type Frame, frameVersion, mergeFrames } from 'kvlab/frame';
import { type RecordedOptions, recordedRun } from './recorded-run.ts';

/** A made-up run as one file. */
export function packedFrames(options: RecordedOptions): Buffer {
  return packed(recordedRun(options));
}

export function packed(frames: Iterable<Frame>): Buffer {
  const parts: Buffer[] = [];
  for (const frame of frames) {
    const header = Buffer.from(JSON.stringify(frame.header));
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32LE(header.length, 0);
    sizes.writeUInt32LE(frame.buffer.byteLength, 4);
    parts.push(sizes, header, Buffer.from(frame.buffer));
  }
  return Buffer.concat(parts);
}

/** A made-up run as it is saved in a notebook. */
export function bundleOf(options: RecordedOptions): Bundle {
  const { header, buffer } = [...recordedRun(options)].reduce(mergeFrames);
  return {
    version: frameVersion,
    header: { ...header, snapshot: true },
    base64: Buffer.from(buffer).toString('base64'),
    leftOut: '',
  };
}
