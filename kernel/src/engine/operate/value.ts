/** Tensors as a cell writes them, and as an operator gives them back. */
import { type DType, type Tensor as Float64Tensor, fromNested, type Nested, type Spec, tensor } from '@kvlab/ops';
import type { Tensor as RuntimeTensor } from '../runtime/tensor.ts';

/** Nested lists, or dimensions with elements in row-major order. */
export type OperatorInput = Nested | { readonly dims: readonly number[]; readonly data: ArrayLike<number> };

/** One output of an operator. */
export interface OperatorResult {
  readonly type: DType;
  readonly dims: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array | Uint8Array;
  /** Where it was computed; a host operator runs as its float64 reference. */
  readonly ran: 'wasm' | 'webgpu' | 'reference';
  /** The elements as nested lists. */
  toArray(): Nested;
}

/** An input as a float64 tensor. Throws, naming the operator and the input, where it is no block of numbers. */
export function readInput(owner: string, name: string, input: OperatorInput): Float64Tensor {
  const fail = (problem: string) => new TypeError(`${owner}: ${name} ${problem}`);
  let read: Float64Tensor;
  try {
    read = isTyped(input) ? tensor(input.dims, input.data) : fromNested(input as Nested);
  } catch (error) {
    throw fail(`is no tensor (${(error as Error).message})`);
  }
  const odd = firstNaN(read.data);
  if (odd >= 0) throw fail(`is not a number at [${placeOf(odd, read.dims).join(', ')}]; give finite numbers`);
  return read;
}

/** Index of the first element that is not a number, or -1. */
function firstNaN(data: Float64Array): number {
  for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) return i;
  return -1;
}

function isTyped(input: OperatorInput): input is { dims: readonly number[]; data: ArrayLike<number> } {
  return typeof input === 'object' && input !== null && 'dims' in input && 'data' in input;
}

/** Indices of an element from its row-major number. */
export function placeOf(element: number, dims: readonly number[]): number[] {
  let left = element;
  return dims
    .map((_, axis) => dims[dims.length - 1 - axis]!)
    .map((d) => {
      const at = left % d;
      left = Math.floor(left / d);
      return at;
    })
    .reverse();
}

const arrays = { f32: Float32Array, i32: Int32Array, u8: Uint8Array, bool: Uint8Array } as const;
const runtimeTypes = { f32: 'float32', i32: 'int32', u8: 'uint8', bool: 'bool' } as const;

/** A float64 tensor as a feed of a session. */
export function toRuntime({ dtype }: Spec, { dims, data }: Float64Tensor): RuntimeTensor {
  return { type: runtimeTypes[dtype], dims, data: new arrays[dtype](data) };
}

/** What a session or a reference gave, as a result. */
export function toResult(
  { dtype }: Spec,
  { dims, data }: { dims: readonly number[]; data: ArrayLike<number> },
  ran: OperatorResult['ran'],
): OperatorResult {
  const exact = ran === 'reference' && dtype === 'f32' ? Float64Array : arrays[dtype];
  const elements = data instanceof exact ? data : exact.from(data);
  return { type: dtype, dims, data: elements, ran, toArray: () => nested(dims, elements) };
}

function nested(dims: readonly number[], data: ArrayLike<number>): Nested {
  let next = 0;
  const level = (depth: number): Nested =>
    depth === dims.length ? data[next++]! : Array.from({ length: dims[depth]! }, () => level(depth + 1));
  return level(0);
}
