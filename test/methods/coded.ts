/** Rows sent through encodings, and what they come back as: by themselves, and while a method reads the fixture text. */
import { after } from 'node:test';
import { type Encoding, hashedUniform, type Method, type Part } from '@kvlab/ops';
import { createEncoder } from '../../kernel/src/engine/keep/encoder.ts';
import type { WrittenRows } from '../../kernel/src/engine/keep/observer.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { openRuntime, type Runtime } from '../../kernel/src/engine/runtime/runtime.ts';
import { loadTiny } from '../engine/tiny-model.ts';
import { type WalkOptions, walk } from '../engine/walk.ts';

/** Normally distributed numbers from a seed. */
export function normal(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const [u, v] = [hashedUniform(seed, i, 0, 0), hashedUniform(seed, i, 1, 0)];
    return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
  });
}

export interface Rows {
  rows: Float32Array;
  H: number;
  T: number;
  D: number;
}
export interface Coder {
  /** Rows [H, T, D] as reading gives them back, and their codes. */
  through(
    encoding: Encoding,
    rows: Rows,
    known?: Record<string, Float32Array>,
    queryPeaks?: Float32Array,
  ): Promise<{ restored: Float32Array; codes: Record<string, Float32Array | Uint8Array> }>;
  release(): Promise<void>;
}

export async function openCoder(): Promise<Coder> {
  const runtime: Runtime = await openRuntime('wasm', { threads: 1 });
  const encoder = createEncoder(runtime);
  return {
    async through(encoding, rows, known = {}, queryPeaks) {
      const { codes, restored } = await encoder.encode(encoding, { ...rows, known, queryPeaks, restores: true });
      return { codes, restored: restored! };
    },
    release: () => runtime.release(),
  };
}

/** The fixture model and a coder for the tests of one file, released after them. */
export async function opened(): Promise<{ model: Model; coder: Coder }> {
  const [model, coder] = [await loadTiny('wasm'), await openCoder()];
  after(async () => {
    await coder.release();
    await model.release();
  });
  return { model, coder };
}

/** Root mean square of the error, relative to that of the numbers; of those that `which` lets through. */
export function relativeRms(
  exact: ArrayLike<number>,
  restored: ArrayLike<number>,
  which: (i: number) => boolean = () => true,
): number {
  let [error, signal] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    if (!which(i)) continue;
    error += (exact[i]! - restored[i]!) ** 2;
    signal += exact[i]! ** 2;
  }
  return Math.sqrt(error / signal);
}

/** Every row that was written in few bits while the method read the text. */
export async function writtenRows(model: Model, method: Method, options: WalkOptions = {}): Promise<WrittenRows[]> {
  const all: WrittenRows[] = [];
  await walk(model, method, {
    prompt: 96,
    chunk: 48,
    steps: 4,
    ...options,
    observer: () => ({ event() {}, layer() {}, written: (rows) => all.push(rows) }),
  });
  return all;
}

/** Relative error of all rows of a part. */
export function errorOf(written: readonly WrittenRows[], part: Part): number {
  const own = written.filter((rows) => rows.part === part);
  return relativeRms(
    own.flatMap(({ exact }) => [...exact]),
    own.flatMap(({ restored }) => [...restored]),
  );
}
