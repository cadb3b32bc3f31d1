/** What differs between Node and a browser, as the runtime sees it. `node.ts` fills it for Node. */
import type { OrtModule } from './session.ts';

export type Device = 'wasm' | 'webgpu';

/** A graphics device that was found, or the reason why none is used. */
export type Graphics =
  | { device: object; name: string; software: boolean; lost: () => string | undefined; release(): void }
  | { device?: undefined; why: string };

/** Keeps what would take long to compute again, from one process to the next. */
export interface Shelf {
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, bytes: Uint8Array): Promise<void>;
}

/** A file that only grows, for rows of a cache. It is gone when nothing refers to it any more. */
export interface PageFile {
  /** Adds bytes at the end and gives the place where they begin. */
  append(bytes: Uint8Array): Promise<number>;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** What the surroundings give to the runtime. */
export interface Platform {
  /** The ONNX Runtime module for a device, set up for this many threads. */
  ort(device: Device, threads: number): Promise<{ ort: OrtModule; threads: number }>;
  /** Opens a graphics device; software ones only where `software` allows them. */
  graphics(software: boolean): Promise<Graphics>;
  /** Threads that are worth using. */
  threads: number;
  /** Bytes that this process may still allocate, if that is known. */
  availableBytes(): number | undefined;
  /** Absent where nothing outlives the process. */
  shelf?: Shelf;
  /** Absent where there is no disk. */
  openPages?(): Promise<PageFile>;
}
