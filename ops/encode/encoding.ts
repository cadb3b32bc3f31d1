/** What an encode slot gives: how the rows of a zone are stored, and how they are read back. */
import type { Fit } from '../fit/fit.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import type { ValueType } from '../graph/encode.ts';
import type { Bound } from '../operator.ts';

/** One stored tensor of an encoding. */
export interface Code {
  /** `half`: 16-bit floats kept as u16. */
  type: 'f32' | 'half' | 'u8';
  /** One row for each entry, for each batch of `grain` entries that are encoded together, or one for the whole store (f32). */
  per: 'entry' | 'batch' | 'store';
  /** Dimensions behind the head and row axes; D is the head size. A code of the store has no row axis. */
  dims: (headSize: number) => readonly number[];
  role: 'payload' | 'scales' | 'index';
  /** One for all KV heads: its head axis is 1. */
  joint?: boolean;
  /** Codes of the store only: a tensor of a fit [L, Hkv or 1, ...dims]; the others are learnt from the first rows. */
  fitted?: { readonly fit: Fit; readonly tensor: string };
}
export type Codes = Readonly<Record<string, Code>>;
export type Values = Readonly<Record<string, Value>>;

/** What a first write may learn from beside the rows: the largest |query| of each channel so far, rotated as the keys are. */
export interface Seen {
  /** [H, D]. */
  queryPeaks?: Value;
}

export interface Encoding extends Bound {
  readonly name: string;
  /** Which keys it must be given. */
  readonly stores: 'rotated' | 'unrotated' | 'either';
  /** Rows are written in multiples of this. */
  readonly grain: number;
  /** An entry may never move from a zone that is not exact to one that is. */
  readonly exact: boolean;
  /** Rows of all KV heads are encoded together: all heads hold the same tokens in the same slots. */
  readonly joint?: boolean;
  /** Bits of one stored number, without scales. */
  readonly bits: number;
  readonly codes: Codes;
  /** First rows [H, T, D] -> the codes of the store that no fit gives; `known` are those that fits gave. */
  learn?: ((g: GraphBuilder, x: Value, known: Values, seen: Seen) => Record<string, Value>) | undefined;
  /** x [H, T, D] with T a multiple of `grain` -> each code [H, T or B, ...]; `half` codes leave as f32 that f16 can hold.
   *  `known` are the codes of the store. */
  write(g: GraphBuilder, x: Value, known?: Values): Record<string, Value>;
  /** All codes -> [H, T, D] in f32. */
  read(g: GraphBuilder, codes: Values): Value;
  /** Products of queries [H, R, D] with the coded keys [H, R, T], without restoring them first. */
  dot?: ((g: GraphBuilder, queries: Value, codes: Values) => Value) | undefined;
  /** Rows times their shares [H, R, T], added up [H, R, D], where that takes less than to restore each row first. */
  mix?: ((g: GraphBuilder, shares: Value, codes: Values) => Value) | undefined;
  /** What the paper's accounting says for this many entries of one head, with exact numbers at 16 bits. */
  claimedBytes(entries: number, headSize: number, kvHeads?: number): number;
}

/** Changes what the codec behind it sees, and changes it back when rows are read. */
export interface Transform extends Bound {
  readonly transform: string;
  readonly stores?: 'unrotated';
  readonly joint?: boolean;
  /** Codes of the store, learnt or fitted. */
  readonly codes?: Codes;
  learn?(g: GraphBuilder, x: Value, seen: Seen): Record<string, Value>;
  forward?(g: GraphBuilder, x: Value, known: Values): Value;
  inverse?(g: GraphBuilder, x: Value, known: Values): Value;
  /** The inverse changes the channels of every row of a head alike, so that rows may be added up first. */
  readonly linear?: boolean;
}

/** Rows of a store times their shares [H, R, T], added up [H, R, D]: by the encoding's own way where it has one. */
export function mixRows(
  g: GraphBuilder,
  { mix, read }: Pick<Encoding, 'mix' | 'read'>,
  shares: Value,
  codes: Values,
): Value {
  if (mix) return mix(g, shares, codes);
  return g.matMul(shares, { ...read(g, codes), dims: [shares.dims[0]!, shares.dims[2]!, 'D'] });
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

/** Axes of a code as a tensor of a graph: `rows` entries or batches of `heads` heads. */
export function codeAxes<A>(code: Code, heads: A, rows: A, headSize: number): (A | number)[] {
  const lead = code.joint ? 1 : heads;
  return code.per === 'store' ? [lead, ...code.dims(headSize)] : [lead, rows, ...code.dims(headSize)];
}

/** True where a first write learns from queries. */
export const asksQueries = ({ needs }: Encoding): boolean => needs.some(({ of }) => of === 'queries');

/** The codes that belong to the store, not to its rows. */
export const codesOfStore = (codes: Codes): [string, Code][] =>
  Object.entries(codes).filter(([, { per }]) => per === 'store');

/** Claimed bytes that follow from the codes of rows, with every float at 16 bits. */
export const claimedOf =
  (codes: Codes, grain: number): Encoding['claimedBytes'] =>
  (entries, headSize, kvHeads = 1) =>
    Object.values(codes).reduce((sum, code) => {
      if (code.per === 'store') return sum;
      const bytes = codeBytes({ ...code, type: code.type === 'u8' ? 'u8' : 'half' }, headSize);
      return sum + (entries * bytes) / ((code.per === 'entry' ? 1 : grain) * (code.joint ? kvHeads : 1));
    }, 0);
