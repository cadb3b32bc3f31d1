/** Comms of user code, both ways: open one to the page, or register a target that the page opens. */
import { randomUUID } from 'node:crypto';
import { bound, currentRun } from './running.ts';
import { type CommAction, type CommEvent, writeMessage } from './wire.ts';

/** What a comm carries beside its data. */
export interface CommExtras {
  metadata?: Record<string, unknown>;
  /** Sent as they are, beside the JSON data. */
  buffers?: (ArrayBuffer | ArrayBufferView)[];
}

/** What arrives on a comm. */
export interface CommMessage {
  data: unknown;
  metadata: Record<string, unknown>;
  buffers: Uint8Array[];
}

/** One line between this kernel and a page. */
export interface Comm {
  readonly id: string;
  readonly target: string;
  send(data: unknown, extras?: CommExtras): void;
  /** The newest listener gets the messages. */
  onMessage(listener: (message: CommMessage) => void): void;
  onClose(listener: (message: CommMessage) => void): void;
  close(data?: unknown): void;
}

interface OpenComm {
  comm: Comm;
  message?: (message: CommMessage) => void;
  close?: (message: CommMessage) => void;
  /** Messages that came before there was a listener. */
  early: CommMessage[];
}

const open = new Map<string, OpenComm>();
const targets = new Map<string, (comm: Comm, first: CommMessage) => void>();

function bytesOf(buffer: ArrayBuffer | ArrayBufferView): Uint8Array {
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer)
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function post(action: CommAction, comm: string, target: string, data: unknown, extras: CommExtras = {}) {
  writeMessage({
    type: 'comm',
    action,
    comm,
    target,
    data: data ?? {},
    metadata: extras.metadata ?? {},
    buffers: (extras.buffers ?? []).map(bytesOf),
    run: currentRun()?.run,
  });
}

function createComm(id: string, target: string): Comm {
  const entry: OpenComm = {
    early: [],
    comm: {
      id,
      target,
      send: (data, extras) => post('message', id, target, data, extras),
      onMessage(listener) {
        entry.message = bound(listener);
        for (const message of entry.early.splice(0)) entry.message(message);
      },
      onClose(listener) {
        entry.close = bound(listener);
      },
      close(data) {
        if (open.delete(id)) post('close', id, target, data);
      },
    },
  };
  open.set(id, entry);
  return entry.comm;
}

/** The comms of this kernel. */
export const comms = {
  /** Opens a comm to a target that the page has registered. */
  open(target: string, data: unknown = {}, extras?: CommExtras): Comm {
    const comm = createComm(randomUUID().replaceAll('-', ''), target);
    post('open', comm.id, target, data, extras);
    return comm;
  },
  /** Calls the listener for each comm that a page opens on this target. Returns the function that unregisters it. */
  register(target: string, listener: (comm: Comm, first: CommMessage) => void): () => void {
    targets.set(target, bound(listener));
    writeMessage({ type: 'targets', names: [...targets.keys()] });
    return () => {
      targets.delete(target);
      writeMessage({ type: 'targets', names: [...targets.keys()] });
    };
  },
};

/** Hands an event of the page to user code. */
export function receiveComm({ action, comm: id, target, data, metadata, buffers }: CommEvent): void {
  // Node's Buffer shares a pool; user code gets bytes of its own.
  const message = { data, metadata, buffers: buffers.map((buffer) => new Uint8Array(buffer)) };
  if (action === 'open') {
    const listener = targets.get(target ?? '');
    if (listener) listener(createComm(id, target!), message);
    else post('close', id, target ?? '', {});
    return;
  }
  const entry = open.get(id);
  if (!entry) return;
  if (action === 'close') {
    open.delete(id);
    entry.close?.(message);
  } else if (entry.message) entry.message(message);
  else entry.early.push(message);
}
