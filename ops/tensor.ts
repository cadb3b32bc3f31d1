/** A small dense array for float64 references: plain loops read and write it by index. */
export interface Tensor {
  readonly dims: readonly number[];
  readonly data: Float64Array;
  get(...index: number[]): number;
  set(value: number, ...index: number[]): void;
  add(value: number, ...index: number[]): void;
}
export type Nested = number | readonly Nested[];

/** A tensor of zeros, or over the given elements in row-major order. */
export function tensor(dims: readonly number[], elements?: ArrayLike<number>): Tensor {
  const size = dims.reduce((n, d) => n * d, 1);
  if (elements && elements.length !== size)
    throw new Error(
      `tensor: [${dims.join(', ')}] needs ${size} elements, got ${elements.length}; check the dimensions`,
    );
  const data = elements ? new Float64Array(elements) : new Float64Array(size);
  const at = (index: readonly number[]): number => {
    if (index.length !== dims.length)
      throw new Error(`tensor: [${dims.join(', ')}] was read with ${index.length} indices`);
    let offset = 0;
    for (let i = 0; i < dims.length; i++) {
      const [n, d] = [index[i]!, dims[i]!];
      if (!(n >= 0 && n < d)) throw new Error(`tensor: index ${n} is outside axis ${i} of [${dims.join(', ')}]`);
      offset = offset * d + n;
    }
    return offset;
  };
  return {
    dims,
    data,
    get: (...index) => data[at(index)]!,
    set: (value, ...index) => {
      data[at(index)] = value;
    },
    add: (value, ...index) => {
      data[at(index)]! += value;
    },
  };
}

/** A tensor from nested lists; all lists of one level must have one length. */
export function fromNested(value: Nested): Tensor {
  const dims: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0] as Nested) dims.push(level.length);
  const elements: number[] = [];
  const walk = (part: Nested, depth: number): void => {
    if (Array.isArray(part) !== depth < dims.length || (Array.isArray(part) && part.length !== dims[depth]))
      throw new Error(`tensor: the lists do not form a [${dims.join(', ')}] block; give all rows one length`);
    if (Array.isArray(part)) for (const inner of part) walk(inner, depth + 1);
    else elements.push(part as number);
  };
  walk(value, 0);
  return tensor(dims, elements);
}

/** Half to even, as ONNX, PyTorch and WGSL round; `Math.round` does not. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
