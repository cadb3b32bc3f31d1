/** Builds an ONNX graph with one function per ONNX operator, and checks dimension letters while it is built.
 *
 *  A value carries its dimensions as letters (`Hkv`, `Q`, `T`) or numbers. Two letters are equal only if they are the same
 *  letter, so a graph that adds `[Hq, T]` to `[Hkv, T]` fails here, with both names, and not at run time with two numbers.
 *  Letters that the builder was given a size for are written as numbers into the file; the others vary from run to run. */
import {
  type Attribute,
  type ConstantRecord,
  encodeGraph,
  type NodeRecord,
  type PortRecord,
  type ValueType,
} from './encode.ts';

export type Axis = string | number;
export interface Value {
  readonly name: string;
  readonly type: ValueType;
  readonly dims: readonly Axis[];
}
export type Sizes = Readonly<Record<string, number>>;
/** Device whose limits the graph must respect; only bodies of codecs look at it (WebGPU without f16 tensors). */
export type GraphDevice = 'wasm' | 'webgpu';
type Operand = Value | number;

export type GraphBuilder = ReturnType<typeof graphBuilder>;

const arrayOf: Partial<Record<ValueType, new (data: readonly number[]) => { buffer: ArrayBufferLike }>> = {
  f32: Float32Array as never,
  i32: Int32Array as never,
  u8: Uint8Array as never,
  bool: Uint8Array as never,
};

/** Starts a graph. `sizes` fixes letters; `device` names where it will run. */
export function graphBuilder(graphName: string, sizes: Sizes = {}, device: GraphDevice = 'wasm') {
  const nodes: NodeRecord[] = [];
  const inputs: PortRecord[] = [];
  const outputs: PortRecord[] = [];
  const constants: ConstantRecord[] = [];
  const shared = new Map<string, Value>();
  let count = 0;

  const fail = (verb: string, problem: string): never => {
    throw new Error(`graph ${graphName}, ${verb}: ${problem}`);
  };
  const show = (v: Value) => `[${v.dims.join(', ')}]`;
  const sizeOf = (axis: Axis): number | undefined => (typeof axis === 'number' ? axis : sizes[axis]);
  const equal = (a: Axis, b: Axis) =>
    a === b || (sizeOf(a) !== undefined && typeof a !== typeof b && sizeOf(a) === sizeOf(b));
  const index = (verb: string, v: Value, axis: Axis): number => {
    const at = typeof axis === 'number' ? (axis < 0 ? axis + v.dims.length : axis) : v.dims.indexOf(axis);
    if (at < 0 || at >= v.dims.length) fail(verb, `${show(v)} has no axis ${axis}; name one of its letters`);
    return at;
  };

  /** Adds a node of any type. The functions below are this with names, dimensions and checks. */
  function node(
    type: string,
    operands: readonly (Value | undefined)[],
    results: readonly { type: ValueType; dims: readonly Axis[] }[],
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): Value[] {
    const made = results.map((r) => ({ name: `${type}_${count++}`, ...r }));
    nodes.push({
      type,
      domain,
      inputs: operands.map((v) => v?.name ?? ''),
      outputs: made.map((v) => v.name),
      attributes,
    });
    return made;
  }
  const one = (...args: Parameters<typeof node>): Value => node(...args)[0]!;

  function constant(
    type: ValueType,
    data: readonly number[] | { buffer: ArrayBufferLike; byteOffset: number; byteLength: number },
    dims: readonly number[],
  ): Value {
    const array = Array.isArray(data)
      ? type === 'i64'
        ? BigInt64Array.from(data, BigInt)
        : new (arrayOf[type] ?? fail('constant', `no list of numbers makes ${type}; pass a typed array`))(data)
      : (data as Uint8Array);
    const view = array as Uint8Array;
    const bytes = new Uint8Array(view.buffer, view.byteOffset ?? 0, view.byteLength).slice();
    const key = bytes.length <= 64 ? `${type}|${dims.join()}|${bytes.join()}` : '';
    const known = key ? shared.get(key) : undefined;
    if (known) return known;
    const value: Value = { name: `constant_${count++}`, type, dims };
    constants.push({ name: value.name, type, dims, data: bytes });
    if (key) shared.set(key, value);
    return value;
  }
  const scalar = (v: Operand, type: ValueType = 'f32'): Value => (typeof v === 'number' ? constant(type, [v], []) : v);

  function broadcast(verb: string, a: Value, b: Value): Axis[] {
    const rank = Math.max(a.dims.length, b.dims.length);
    const dims: Axis[] = [];
    for (let i = 1; i <= rank; i++) {
      const x = a.dims[a.dims.length - i] ?? 1;
      const y = b.dims[b.dims.length - i] ?? 1;
      if (x !== 1 && y !== 1 && !equal(x, y))
        fail(verb, `${show(a)} and ${show(b)} differ in ${x} against ${y}; reshape or expand one of them`);
      dims.unshift(x === 1 ? y : x);
    }
    return dims;
  }
  const binary =
    (type: string, result?: ValueType) =>
    (a: Operand, b: Operand): Value => {
      const like = typeof a === 'number' ? (b as Value) : a;
      const [x, y] = [scalar(a, like.type), scalar(b, like.type)];
      return one(type, [x, y], [{ type: result ?? like.type, dims: broadcast(type, x, y) }]);
    };
  const unary =
    (type: string, result?: ValueType) =>
    (x: Value): Value =>
      one(type, [x], [{ type: result ?? x.type, dims: x.dims }]);
  const reduce =
    (type: string) =>
    (x: Value, axis: Axis, keep = false): Value => {
      const at = index(type, x, axis);
      const dims = keep ? x.dims.map((d, i) => (i === at ? 1 : d)) : x.dims.filter((_, i) => i !== at);
      return one(type, [x, constant('i64', [at], [1])], [{ type: x.type, dims }], { keepdims: keep ? 1 : 0 });
    };
  const argument =
    (type: string) =>
    (x: Value, axis: Axis): Value => {
      const at = index(type, x, axis);
      return one(type, [x], [{ type: 'i64', dims: x.dims.filter((_, i) => i !== at) }], { axis: at, keepdims: 0 });
    };

  /** New dimensions of the same elements. At most one letter without a size may stand at another place than before. */
  function reshape(x: Value, dims: readonly Axis[]): Value {
    let free = 0;
    const target = dims.map((d, i) => {
      const size = sizeOf(d);
      if (size !== undefined) return size;
      if (x.dims[i] === d) return 0;
      free++;
      return -1;
    });
    if (free > 1)
      fail('reshape', `${show(x)} to [${dims.join(', ')}] leaves ${free} letters open; give sizes for all but one`);
    return one('Reshape', [x, constant('i64', target, [target.length])], [{ type: x.type, dims }]);
  }

  function concat(parts: readonly Value[], axis: Axis, as?: Axis): Value {
    const first = parts[0] ?? fail('concat', 'no parts were given; give at least one');
    const at =
      typeof axis === 'number' ? index('concat', first, axis) : Math.max(...parts.map((p) => p.dims.indexOf(axis)));
    for (const part of parts)
      if (part.dims.length !== first.dims.length || part.dims.some((d, i) => i !== at && !equal(d, first.dims[i]!)))
        fail('concat', `${show(first)} and ${show(part)} differ outside axis ${axis}; only that axis may differ`);
    if (parts.length === 1) return { ...first, dims: first.dims.map((d, i) => (i === at ? (as ?? d) : d)) };
    const known = parts.map((p) => sizeOf(p.dims[at]!));
    const total = known.every((n) => n !== undefined)
      ? known.reduce((a, n) => a! + n!, 0)!
      : parts.map((p) => p.dims[at]).join('+');
    return one(
      'Concat',
      parts,
      [{ type: first.type, dims: first.dims.map((d, i) => (i === at ? (as ?? total) : d)) }],
      { axis: at },
    );
  }

  /** Pieces of an axis. `lengths`: numbers, or the letters of the pieces with one i64 input that holds their sizes. */
  function split(x: Value, axis: Axis, lengths: readonly Axis[], sizesInput?: Value): Value[] {
    const at = index('split', x, axis);
    const fixed = lengths.map(sizeOf);
    const by =
      sizesInput ??
      (fixed.every((n) => n !== undefined)
        ? constant('i64', fixed as number[], [fixed.length])
        : fail('split', `lengths [${lengths.join(', ')}] vary; pass an i64 input with them`));
    return node(
      'Split',
      [x, by],
      lengths.map((n) => ({ type: x.type, dims: x.dims.map((d, i) => (i === at ? n : d)) })),
      { axis: at },
    );
  }

  /** Part of an axis; `from` and `to` as in ONNX (negative counts from the end). `as` names what is left. */
  function slice(x: Value, axis: Axis, from: number | Value, to: number | Value, as: Axis, step = 1): Value {
    const at = index('slice', x, axis);
    const bound = (v: number | Value) => (typeof v === 'number' ? constant('i64', [v], [1]) : v);
    const operands = [x, bound(from), bound(to), constant('i64', [at], [1]), constant('i64', [step], [1])];
    return one('Slice', operands, [{ type: x.type, dims: x.dims.map((d, i) => (i === at ? as : d)) }]);
  }

  function matMul(a: Value, b: Value): Value {
    const [inner, outer] = [a.dims[a.dims.length - 1]!, b.dims[b.dims.length - 2]!];
    if (!equal(inner, outer))
      fail('matMul', `${show(a)} times ${show(b)}: ${inner} against ${outer}; transpose one of them`);
    const lead = broadcast('matMul', { ...a, dims: a.dims.slice(0, -2) }, { ...b, dims: b.dims.slice(0, -2) });
    return one(
      'MatMul',
      [a, b],
      [{ type: a.type, dims: [...lead, a.dims[a.dims.length - 2]!, b.dims[b.dims.length - 1]!] }],
    );
  }

  const transpose = (x: Value, order: readonly number[]): Value =>
    one('Transpose', [x], [{ type: x.type, dims: order.map((i) => x.dims[i]!) }], { perm: order });

  /** Rows by number along an axis: indices may have any rank. */
  function gather(x: Value, indices: Value, axis: Axis): Value {
    const at = index('gather', x, axis);
    return one(
      'Gather',
      [x, indices],
      [{ type: x.type, dims: [...x.dims.slice(0, at), ...indices.dims, ...x.dims.slice(at + 1)] }],
      { axis: at },
    );
  }
  const gatherElements = (x: Value, indices: Value, axis: Axis): Value =>
    one('GatherElements', [x, indices], [{ type: x.type, dims: indices.dims }], {
      axis: index('gatherElements', x, axis),
    });
  const scatterElements = (
    x: Value,
    indices: Value,
    updates: Value,
    axis: Axis,
    reduction: 'none' | 'add' | 'mul' | 'max' | 'min' = 'none',
  ): Value =>
    one('ScatterElements', [x, indices, updates], [{ type: x.type, dims: x.dims }], {
      axis: index('scatterElements', x, axis),
      reduction,
    });

  /** Largest (or smallest) `k` with their places; ties go to the lowest index. `k` is a number or an i64 [1] input. */
  function topK(x: Value, k: number | Value, axis: Axis, as: Axis, largest = true): { values: Value; indices: Value } {
    const at = index('topK', x, axis);
    const dims = x.dims.map((d, i) => (i === at ? as : d));
    const by = typeof k === 'number' ? constant('i64', [k], [1]) : k;
    const [values, indices] = node(
      'TopK',
      [x, by],
      [
        { type: x.type, dims },
        { type: 'i64', dims },
      ],
      { axis: at, largest: largest ? 1 : 0, sorted: 1 },
    );
    return { values: values!, indices: indices! };
  }

  const cast = (x: Value, type: ValueType): Value => {
    const codes: Record<ValueType, number> = { f32: 1, u8: 2, u16: 4, i32: 6, i64: 7, bool: 9, f16: 10, u32: 12 };
    return x.type === type ? x : one('Cast', [x], [{ type, dims: x.dims }], { to: codes[type] });
  };
  const where = (condition: Value, a: Operand, b: Operand): Value => {
    const [x, y] = [scalar(a), scalar(b)];
    const dims = broadcast('where', condition, { ...x, dims: broadcast('where', x, y) });
    return one('Where', [condition, x, y], [{ type: x.type, dims }]);
  };
  const expand = (x: Value, shape: Value, dims: readonly Axis[]): Value =>
    one('Expand', [x, shape], [{ type: x.type, dims }]);
  const unsqueeze = (x: Value, at: number): Value =>
    one(
      'Unsqueeze',
      [x, constant('i64', [at], [1])],
      [{ type: x.type, dims: [...x.dims.slice(0, at), 1, ...x.dims.slice(at)] }],
    );
  const squeeze = (x: Value, at: number): Value =>
    one('Squeeze', [x, constant('i64', [at], [1])], [{ type: x.type, dims: x.dims.filter((_, i) => i !== at) }]);
  const shape = (x: Value): Value => one('Shape', [x], [{ type: 'i64', dims: [x.dims.length] }]);
  /** The bits of bytes that `mask` has too. WebGPU has no such kernel. */
  const bitwiseAnd = (x: Value, mask: number): Value =>
    one('BitwiseAnd', [x, constant('u8', [mask], [])], [{ type: x.type, dims: x.dims }]);
  const clip = (x: Value, low: Operand, high: Operand): Value =>
    one('Clip', [x, scalar(low, x.type), scalar(high, x.type)], [{ type: x.type, dims: x.dims }]);
  const softmax = (x: Value, axis: Axis): Value =>
    one('Softmax', [x], [{ type: x.type, dims: x.dims }], { axis: index('softmax', x, axis) });
  const cumSum = (x: Value, axis: Axis): Value =>
    one('CumSum', [x, constant('i32', [index('cumSum', x, axis)], [])], [{ type: x.type, dims: x.dims }]);
  /** Adds `before` and `after` elements to the last axis, renamed to `as`. */
  const pad = (x: Value, before: number, after: number | Value, value: number, as: Axis): Value => {
    const pads = typeof after === 'number' ? constant('i64', [before, after], [2]) : after;
    return one(
      'Pad',
      [x, pads, scalar(value, x.type), constant('i64', [x.dims.length - 1], [1])],
      [{ type: x.type, dims: [...x.dims.slice(0, -1), as] }],
    );
  };
  /** Pooling over the last axis of [n, c, length] with stride 1 and half padding, so that the length stays. */
  const pool = (x: Value, kind: 'max' | 'mean', kernel: number): Value => {
    const half = Math.floor(kernel / 2);
    const attributes: Record<string, Attribute> = {
      kernel_shape: [kernel],
      pads: [half, kernel - 1 - half],
      strides: [1],
    };
    if (kind === 'mean') attributes.count_include_pad = 1;
    return one(kind === 'max' ? 'MaxPool' : 'AveragePool', [x], [{ type: x.type, dims: x.dims }], attributes);
  };
  const gemm = (a: Value, b: Value, transB: boolean): Value => {
    const [inner, columns] = transB ? [b.dims[1]!, b.dims[0]!] : [b.dims[0]!, b.dims[1]!];
    if (!equal(a.dims[1]!, inner))
      fail('gemm', `${show(a)} times ${show(b)}: ${a.dims[1]} against ${inner}; check transB`);
    return one('Gemm', [a, b], [{ type: a.type, dims: [a.dims[0]!, columns] }], { transB: transB ? 1 : 0 });
  };
  /** x / root mean square over the last axis, times scale. */
  const rmsNorm = (x: Value, scale: Value, epsilon: number): Value =>
    one('SimplifiedLayerNormalization', [x, scale], [{ type: x.type, dims: x.dims }], {
      axis: -1,
      epsilon: { float: epsilon },
    });
  /** Rotary positions on [B, N, S, D] (batch, heads, sequence): row `ids[b, s]` of the tables `[R, D/2]`, pairs (2i, 2i+1). */
  const rotaryEmbedding = (x: Value, ids: Value, cos: Value, sin: Value): Value =>
    one('RotaryEmbedding', [x, ids, cos, sin], [{ type: x.type, dims: x.dims }], { interleaved: 1 }, 'com.microsoft');

  function input(name: string, type: ValueType, dims: readonly Axis[]): Value {
    if (inputs.some((i) => i.name === name)) fail('input', `${name} is there twice; rename one`);
    inputs.push({ name, type, dims: dims.map((d) => sizeOf(d) ?? d) });
    return { name, type, dims };
  }
  function output(name: string, value: Value): void {
    nodes.push({ type: 'Identity', domain: '', inputs: [value.name], outputs: [name], attributes: {} });
    outputs.push({ name, type: value.type, dims: value.dims.map((d) => sizeOf(d) ?? d) });
  }
  /** A weight that is handed to the session at creation under `path`, not written into the file. */
  function external(name: string, type: ValueType, dims: readonly number[], path: string): Value {
    const width = { f32: 4, i32: 4, u32: 4, f16: 2, u16: 2, i64: 8, u8: 1, bool: 1 }[type];
    constants.push({ name, type, dims, data: { path, bytes: dims.reduce((n, d) => n * d, width) } });
    return { name, type, dims };
  }

  return {
    name: graphName,
    sizes,
    device,
    node,
    input,
    output,
    constant,
    external,
    scalar,
    add: binary('Add'),
    sub: binary('Sub'),
    mul: binary('Mul'),
    div: binary('Div'),
    pow: binary('Pow'),
    max: binary('Max'),
    min: binary('Min'),
    greater: binary('Greater', 'bool'),
    less: binary('Less', 'bool'),
    equal: binary('Equal', 'bool'),
    and: binary('And', 'bool'),
    not: unary('Not'),
    neg: unary('Neg'),
    abs: unary('Abs'),
    exp: unary('Exp'),
    log: unary('Log'),
    sqrt: unary('Sqrt'),
    floor: unary('Floor'),
    ceil: unary('Ceil'),
    sigmoid: unary('Sigmoid'),
    relu: unary('Relu'),
    tanh: unary('Tanh'),
    reciprocal: unary('Reciprocal'),
    identity: unary('Identity'),
    reduceSum: reduce('ReduceSum'),
    reduceMean: reduce('ReduceMean'),
    reduceMax: reduce('ReduceMax'),
    reduceMin: reduce('ReduceMin'),
    reduceSumSquare: reduce('ReduceSumSquare'),
    reduceLogSumExp: reduce('ReduceLogSumExp'),
    argMax: argument('ArgMax'),
    argMin: argument('ArgMin'),
    reshape,
    concat,
    split,
    slice,
    matMul,
    transpose,
    gather,
    gatherElements,
    scatterElements,
    topK,
    cast,
    where,
    expand,
    unsqueeze,
    squeeze,
    shape,
    bitwiseAnd,
    clip,
    softmax,
    cumSum,
    pad,
    pool,
    gemm,
    rmsNorm,
    rotaryEmbedding,
    /** What was built so far, for pictures and tests. */
    record: () => ({
      name: graphName,
      inputs: [...inputs],
      outputs: [...outputs],
      constants: [...constants],
      nodes: [...nodes],
    }),
    /** The bytes of the ONNX file. */
    encode: (metadata?: Record<string, string>) =>
      encodeGraph({ name: graphName, inputs, outputs, constants, nodes, metadata }),
  };
}
