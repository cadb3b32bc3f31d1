/** What the protocol process and the child say to each other, and how the child's words lie in its pipe.
 *
 *  The child writes synchronously into a pipe of its own: a cell that prints for ever is slowed down instead of filling
 *  memory, its output is seen while it blocks, and what it wrote before a crash is not lost. */
import { writeSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import type { FrameHeader, PanelMessage, Selection } from '../engine/record/frame.ts';
import type { MimeBundle } from '../host.ts';

/** File descriptors that the child gets besides the usual three and the IPC channel. */
export const outboundFd = 4;
/** Closed by the system when the protocol process dies; the number of an interrupt, as u32, asks for it. */
export const lifelineFd = 5;

/** A cell that is ready to run. */
export interface CompiledCell {
  /** Unique in this kernel; the file name of the cell is made of it. */
  serial: number;
  /** How the cell is called in tracebacks: `In [3]`. */
  label: string;
  /** Path that the code pretends to have; relative imports start from its folder. */
  file: string;
  code: string;
  /** Source map of `code`, as JSON. */
  map: string;
  source: string;
  /** Text that was inserted before compiling, by line of the source and sorted; columns and lengths in UTF-16 units. */
  inserts: readonly { line: number; column: number; length: number }[];
  /** Modules to load before the code runs. */
  imports: readonly string[];
  /** True when the code awaits at its top level. */
  awaits: boolean;
  /** Newest change in ms of the local files that the cell imports; a changed file is loaded anew. */
  version: number;
}

export interface RunRequest {
  type: 'run';
  /** One execute request. Output names it. */
  run: number;
  number: number;
  cell: CompiledCell;
  /** Names that get a value in the cell. */
  values: readonly string[];
  allowInput: boolean;
  /** `user_expressions`, compiled. */
  expressions: Record<string, CompiledCell>;
}

export type CommAction = 'open' | 'message' | 'close';
export interface CommEvent {
  type: 'comm';
  action: CommAction;
  comm: string;
  target?: string;
  data: unknown;
  metadata: Record<string, unknown>;
  buffers: Uint8Array[];
  /** The execute request that caused it, when the child sends. */
  run?: number;
}

export type ToChild =
  | RunRequest
  /** Stop the cells that run; with none running, what earlier cells left behind. */
  | { type: 'interrupt'; number: number }
  | { type: 'input'; run: number; value: string }
  | { type: 'panel'; message: PanelMessage }
  | CommEvent;

export interface CellError {
  ename: string;
  evalue: string;
  traceback: string[];
}

export type ExpressionResult =
  | { status: 'ok'; data: MimeBundle; metadata: Record<string, unknown> }
  | ({ status: 'error' } & CellError);

export type FromChild =
  | { type: 'ready' }
  | { type: 'stream'; run: number; name: 'stdout' | 'stderr'; text: string }
  | {
      type: 'display';
      run: number;
      data: MimeBundle;
      metadata: Record<string, unknown>;
      id?: string;
      update: boolean;
    }
  | { type: 'clear'; run: number; wait: boolean }
  | { type: 'result'; run: number; data: MimeBundle; metadata: Record<string, unknown> }
  /** An error outside the flow of a cell, for example an unhandled rejection. The cell goes on. */
  | { type: 'stray'; run: number; error: CellError }
  | { type: 'input'; run: number; prompt: string; password: boolean }
  | { type: 'targets'; names: string[] }
  | {
      type: 'done';
      run: number;
      error?: CellError;
      /** Names that the cell would have declared but did not reach. */
      missing: string[];
      expressions: Record<string, ExpressionResult>;
    }
  | { type: 'frame'; header: FrameHeader; buffer: ArrayBuffer }
  | { type: 'show'; panel?: string; depth?: string; run?: number }
  | { type: 'point'; selection: Selection; panel?: string }
  | CommEvent;

const lengthBytes = 4;

/** Writes a message into the pipe and returns when the system has taken it all. */
export function writeMessage(message: FromChild): void {
  const body = serialize(message);
  const packet = Buffer.allocUnsafe(lengthBytes + body.length);
  packet.writeUInt32LE(body.length, 0);
  body.copy(packet, lengthBytes);
  for (let at = 0; at < packet.length; )
    try {
      at += writeSync(outboundFd, packet, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
}

/** Cuts a byte stream into messages. The returned function takes chunks as they come. */
export function messageReader(onMessage: (message: FromChild) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let held = 0;
  let wanted = lengthBytes;
  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= wanted) {
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, held);
      const length = bytes.readUInt32LE(0);
      const end = lengthBytes + length;
      if (held < end) {
        chunks = [bytes];
        wanted = end;
        return;
      }
      const message = deserialize(bytes.subarray(lengthBytes, end)) as FromChild;
      chunks = held > end ? [bytes.subarray(end)] : [];
      held -= end;
      wanted = lengthBytes;
      onMessage(message);
    }
  };
}
