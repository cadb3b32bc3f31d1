/** Reads the bundle of a saved notebook. It is data from anybody, so everything is checked before it is used. */
import { decodeFrame, frameVersion } from 'kvlab/frame';
import { refuse } from './check.ts';
import { checkColumns, knownColumns } from './column-schema.ts';
import { type SnapshotHeader, snapshotHeader } from './frame-schema.ts';

/** Largest buffer that is decoded, in bytes. */
export const bundleLimit = 16 * 2 ** 20;

export interface SavedRun {
  header: SnapshotHeader;
  buffer: ArrayBuffer;
  /** What was left out of the notebook, in words. */
  leftOut: string;
  /** The runs of a comparison's lanes. */
  lanes: SavedRun[];
}

/** Checks a bundle and decodes its buffer. Throws with what is wrong. */
export async function readBundle(data: unknown): Promise<SavedRun> {
  try {
    return await checkedBundle(data);
  } catch (error) {
    throw new Error(
      `bundle: ${error instanceof Error ? error.message : String(error)}; run the cell again to make a new one`,
    );
  }
}

/** Throws when a snapshot with its buffer is not what a run of this version can have sent. Gives back a copy of its header. */
export function checkedSnapshot(header: unknown, buffer: ArrayBuffer | DataView): SnapshotHeader {
  const checked = knownColumns(snapshotHeader(header, 'header'));
  checkColumns(checked, decodeFrame(checked, buffer));
  return checked;
}

/** Most lanes of a comparison. */
const mostLanes = 16;

/** A bundle and the runs beside it, which together unpack to no more than the limit. */
async function checkedBundle(data: unknown): Promise<SavedRun> {
  const saved = await checkedRun(data, bundleLimit);
  const { lanes = [] } = data as { lanes?: unknown };
  if (!Array.isArray(lanes) || lanes.length > mostLanes)
    return refuse('lanes', lanes, `a list of at most ${mostLanes}`);
  let room = bundleLimit - saved.buffer.byteLength;
  for (const lane of lanes) {
    const run = await checkedRun(lane, room);
    room -= run.buffer.byteLength;
    const { laneOf } = run.header.info;
    if (laneOf?.comparison !== saved.header.run || run.header.run === saved.header.run)
      return refuse('a lane', run.header.run, 'a run of this comparison');
    saved.lanes.push(run);
  }
  return saved;
}

async function checkedRun(data: unknown, limit: number): Promise<SavedRun> {
  if (typeof data !== 'object' || data === null) return refuse('the output', data, 'a saved run');
  const { version, header, base64, packed, leftOut } = data as Record<string, unknown>;
  if (version !== frameVersion) throw new Error(`its version is ${String(version)}, this reader knows ${frameVersion}`);
  if (typeof base64 !== 'string') return refuse('its buffer', base64, 'a text in base64');
  if (base64.length * 0.75 > limit) throw new Error(`its buffer is larger than ${bundleLimit / 2 ** 20} MiB`);
  if (packed !== undefined && packed !== 'deflate')
    return refuse('the packing of its buffer', packed, 'deflate or none');
  const stored = decoded(base64);
  const buffer = packed ? await inflated(stored, limit) : stored.buffer;
  return {
    header: checkedSnapshot(header, buffer),
    buffer,
    leftOut: typeof leftOut === 'string' ? leftOut.slice(0, 2000) : '',
    lanes: [],
  };
}

function decoded(base64: string): Uint8Array<ArrayBuffer> {
  let bytes: string;
  try {
    bytes = atob(base64);
  } catch {
    throw new Error('its buffer is not base64');
  }
  return Uint8Array.from(bytes, (c) => c.charCodeAt(0));
}

/** Unpacks a buffer and stops at the limit, whatever the rest would become. */
async function inflated(stored: Uint8Array<ArrayBuffer>, limit: number): Promise<ArrayBuffer> {
  const damaged = (): never => {
    throw new Error('its buffer is damaged');
  };
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = new Blob([stored]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(damaged);
    if (done) return new Blob(parts).arrayBuffer();
    parts.push(value);
    size += value.length;
    if (size <= limit) continue;
    await reader.cancel();
    throw new Error(`its buffer unpacks to more than ${bundleLimit / 2 ** 20} MiB`);
  }
}
