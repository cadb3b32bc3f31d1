/** Tensors as they cross into and out of the runtime: a type, dimensions and row-major data. */

/** Elements of a tensor. `float16` travels as raw bits in a Uint16Array, `bool` as 0 and 1 in a Uint8Array. */
export type TensorData = Float32Array | Int32Array | Uint8Array | Uint16Array | BigInt64Array;

export interface Tensor {
  type: 'float32' | 'float16' | 'int32' | 'int64' | 'uint8' | 'bool';
  dims: readonly number[];
  data: TensorData;
}
