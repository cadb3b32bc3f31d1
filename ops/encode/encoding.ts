/** What an encode slot gives: how the rows of a zone are stored, and how they are read back. */
import type { GraphBuilder, Value } from '../graph/builder.ts';
import type { ValueType } from '../graph/encode.ts';
import type { Bound } from '../operator.ts';

/** One stored tensor of an encoding. */
export interface Code {
  /** `half`: 16-bit floats kept as u16. */
  type: 'f32' | 'half' | 'u8';
  /** One row for each entry, or one for each batch of `grain` entries that are encoded together. */
  per: 'entry' | 'batch';
  /** Dimensions behind the head and row axes; D is the head size. */
  dims: (headSize: number) => readonly number[];
  role: 'payload' | 'scales' | 'index';
}

export interface Encoding extends Bound {
  readonly name: string;
  /** Which keys it must be given. */
  readonly stores: 'rotated' | 'unrotated' | 'either';
  /** Rows are written in multiples of this. */
  readonly grain: number;
  /** An entry may never move from a zone that is not exact to one that is. */
  readonly exact: boolean;
  /** Bits of one stored number, without scales. */
  readonly bits: number;
  readonly codes: Readonly<Record<string, Code>>;
  /** x [H, T, D] with T a multiple of `grain` -> each code [H, T or B, ...]; `half` codes leave as f32 that f16 can hold. */
  write(g: GraphBuilder, x: Value): Record<string, Value>;
  /** Codes -> [H, T, D] in f32. */
  read(g: GraphBuilder, codes: Record<string, Value>): Value;
  /** What the paper's accounting says for this many entries of one head, with exact numbers at 16 bits. */
  claimedBytes(entries: number, headSize: number): number;
}

/** How a code enters a graph: WebGPU devices without f16 get halves expanded to f32 by the engine, as workspace. */
export function codeType({ type }: Code, device: GraphBuilder['device']): ValueType {
  if (type !== 'half') return type;
  return device === 'wasm' ? 'f16' : 'f32';
}

/** Bytes of one row (or batch) of a code. */
export function codeBytes({ type, dims }: Code, headSize: number): number {
  return dims(headSize).reduce((n, d) => n * d, { f32: 4, half: 2, u8: 1 }[type]);
}
