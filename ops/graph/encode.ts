/** Writes a graph as the bytes of an ONNX file. The only place that knows protobuf.
 *
 *  Field numbers are those of onnx.proto (ONNX 1.16, IR version 10); they never change. */

export type ValueType = 'f32' | 'f16' | 'i32' | 'i64' | 'u8' | 'u16' | 'u32' | 'bool';

const elementType: Record<ValueType, number> = { f32: 1, u8: 2, u16: 4, i32: 6, i64: 7, bool: 9, f16: 10, u32: 12 };

export type Attribute = number | string | readonly number[] | { float: number } | { floats: readonly number[] };

export interface NodeRecord {
  type: string;
  domain: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Readonly<Record<string, Attribute>>;
}
export interface PortRecord {
  name: string;
  type: ValueType;
  /** A number, or the letter of a dimension that varies. */
  dims: readonly (number | string)[];
}
export interface ConstantRecord {
  name: string;
  type: ValueType;
  dims: readonly number[];
  /** Bytes in the file, or the path of external data that the session is given at creation. */
  data: Uint8Array | { path: string; bytes: number };
}
export interface GraphRecord {
  name: string;
  inputs: readonly PortRecord[];
  outputs: readonly PortRecord[];
  constants: readonly ConstantRecord[];
  nodes: readonly NodeRecord[];
  metadata?: Readonly<Record<string, string>>;
}

type Piece = Uint8Array | Piece[];
/** In every runtime that we know, but in no library of TypeScript that is free of Node and DOM. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
const text = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest ? low | 128 : low);
  } while (rest);
  return Uint8Array.from(bytes);
}
const length = (piece: Piece): number =>
  Array.isArray(piece) ? piece.reduce((n, p) => n + length(p), 0) : piece.length;
const integer = (field: number, value: number | bigint): Piece => [varint(field << 3), varint(value)];
const bytes = (field: number, value: Piece): Piece => [varint((field << 3) | 2), varint(length(value)), value];
const string = (field: number, value: string): Piece => bytes(field, text.encode(value));
function float(field: number, value: number): Piece {
  return [varint((field << 3) | 5), new Uint8Array(new Float32Array([value]).buffer)];
}

function attribute(name: string, value: Attribute): Piece {
  const tail = ((): Piece => {
    if (typeof value === 'number') return [integer(3, value), integer(20, 2)];
    if (typeof value === 'string') return [string(4, value), integer(20, 3)];
    if ('float' in value) return [float(2, value.float), integer(20, 1)];
    if ('floats' in value) return [value.floats.map((f) => float(7, f)), integer(20, 6)];
    return [value.map((i) => integer(8, i)), integer(20, 7)];
  })();
  return [string(1, name), tail];
}

function node(record: NodeRecord, index: number): Piece {
  return [
    record.inputs.map((name) => string(1, name)),
    record.outputs.map((name) => string(2, name)),
    string(3, `${record.type}_${index}`),
    string(4, record.type),
    Object.entries(record.attributes).map(([name, value]) => bytes(5, attribute(name, value))),
    record.domain ? string(7, record.domain) : [],
  ];
}

function port({ name, type, dims }: PortRecord): Piece {
  const shape = dims.map((d) => bytes(1, typeof d === 'number' ? integer(1, d) : string(2, d)));
  return [string(1, name), bytes(2, bytes(1, [integer(1, elementType[type]), bytes(2, shape)]))];
}

function constant({ name, type, dims, data }: ConstantRecord): Piece {
  const head = [dims.map((d) => integer(1, d)), integer(2, elementType[type]), string(8, name)];
  if (data instanceof Uint8Array) return [head, bytes(9, data)];
  const entry = (key: string, value: string) => bytes(13, [string(1, key), string(2, value)]);
  return [
    head,
    entry('location', data.path),
    entry('offset', '0'),
    entry('length', String(data.bytes)),
    integer(14, 1),
  ];
}

/** The bytes of a model file with this graph; opset 21 and com.microsoft 1. */
export function encodeGraph(graph: GraphRecord): Uint8Array<ArrayBuffer> {
  const body: Piece = [
    graph.nodes.map((record, index) => bytes(1, node(record, index))),
    string(2, graph.name),
    graph.constants.map((record) => bytes(5, constant(record))),
    graph.inputs.map((record) => bytes(11, port(record))),
    graph.outputs.map((record) => bytes(12, port(record))),
  ];
  const model: Piece = [
    integer(1, 10),
    string(2, 'kvlab'),
    bytes(7, body),
    bytes(8, [string(1, ''), integer(2, 21)]),
    bytes(8, [string(1, 'com.microsoft'), integer(2, 1)]),
    Object.entries(graph.metadata ?? {}).map(([key, value]) => bytes(14, [string(1, key), string(2, value)])),
  ];
  const out = new Uint8Array(length(model));
  let end = 0;
  const write = (piece: Piece): void => {
    if (Array.isArray(piece)) for (const part of piece) write(part);
    else {
      out.set(piece, end);
      end += piece.length;
    }
  };
  write(model);
  return out;
}
