import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { type GraphBuilder, graphBuilder, operators } from '@kvlab/ops';
import { ModelProtoSchema } from 'onnx-buf';
import { operatorGraph } from '../../kernel/src/engine/operate/graph.ts';

const start = (sizes: Record<string, number> = {}) => {
  const g = graphBuilder('trial', sizes);
  return {
    g,
    perQuery: g.input('perQuery', 'f32', ['Hq', 'T']),
    perKey: g.input('perKey', 'f32', ['Hkv', 'T']),
    keys: g.input('keys', 'f32', ['Hkv', 'T', 'D']),
  };
};

test('tensors with different letters are not added, and the message has both', () => {
  const { g, perQuery, perKey } = start();
  assert.throws(
    () => g.add(perQuery, perKey),
    /graph trial, Add: \[Hq, T\] and \[Hkv, T\] differ in Hq against Hkv; reshape or expand one of them/,
  );
});

test('two letters of one size stay different letters', () => {
  const { g, perQuery, perKey } = start({ Hq: 3, Hkv: 3 });
  assert.throws(() => g.add(perQuery, perKey), /Hq against Hkv/);
});

test('every verb checks its letters and names what it got', () => {
  const { g, perQuery, perKey, keys } = start();
  const refusals: [() => unknown, RegExp][] = [
    [() => g.matMul(keys, keys), /matMul: .* D against T; transpose one of them/],
    [() => g.reduceSum(perKey, 'Q'), /\[Hkv, T\] has no axis Q; name one of its letters/],
    [() => g.concat([perQuery, perKey], 'T'), /concat: .* differ outside axis T/],
    [() => g.concat([], 0), /no parts were given/],
    [() => g.reshape(keys, ['T', 'Hkv', 'X']), /leaves 3 letters open; give sizes for all but one/],
    [() => g.split(keys, 'T', ['A', 'B']), /lengths \[A, B\] vary; pass an i64 input/],
    [() => g.input('keys', 'f32', []), /keys is there twice; rename one/],
  ];
  for (const [act, message] of refusals) assert.throws(act, message);
});

test('dimensions follow the verbs', () => {
  const { g, perQuery, keys } = start({ Hkv: 3, G: 2 });
  assert.deepEqual(g.reduceSum(keys, 'D').dims, ['Hkv', 'T']);
  assert.deepEqual(g.transpose(keys, [0, 2, 1]).dims, ['Hkv', 'D', 'T']);
  assert.deepEqual(g.matMul(keys, g.transpose(keys, [0, 2, 1])).dims, ['Hkv', 'T', 'T']);
  assert.deepEqual(g.reshape(perQuery, ['Hkv', 'G', 'T']).dims, ['Hkv', 'G', 'T']);
  assert.deepEqual(g.topK(keys, 4, 'T', 'K').indices.dims, ['Hkv', 'K', 'D']);
  assert.deepEqual(g.concat([keys, keys], 'T').dims, ['Hkv', 'T+T', 'D']);
});

/** The bytes as a parser that others wrote reads them. */
const parse = (g: GraphBuilder) => fromBinary(ModelProtoSchema, g.encode({ note: 'ümlaut' }));

test('our bytes are read back as the same graph by a parser that others wrote', () => {
  const { g, perKey, keys } = start({ Hkv: 3 });
  const norm = g.sqrt(g.reduceSumSquare(keys, 'D'));
  g.output('norm', g.clip(g.add(perKey, norm), 0, 2.5));
  const model = parse(g);
  assert.equal(model.irVersion, 10n);
  assert.deepEqual(
    model.opsetImport.map(({ domain, version }) => [domain, version]),
    [
      ['', 21n],
      ['com.microsoft', 1n],
    ],
  );
  assert.deepEqual(
    model.metadataProps.map(({ key, value }) => [key, value]),
    [['note', 'ümlaut']],
  );
  const { node, input, output, initializer } = model.graph!;
  assert.deepEqual(
    node.map(({ opType }) => opType),
    ['ReduceSumSquare', 'Sqrt', 'Add', 'Clip', 'Identity'],
  );
  assert.deepEqual(
    node[0]!.attribute.map(({ name, i }) => [name, i]),
    [['keepdims', 0n]],
  );
  assert.deepEqual(
    input.map(({ name }) => name),
    ['perQuery', 'perKey', 'keys'],
  );
  const shape = input[2]!.type!.value;
  assert.ok(shape.case === 'tensorType');
  assert.deepEqual(
    shape.value.shape!.dim.map(({ value }) => value.value),
    [3n, 'T', 'D'],
  );
  assert.deepEqual(
    output.map(({ name }) => name),
    ['norm'],
  );
  const limit = initializer.find(
    ({ rawData }) => rawData.length === 4 && new DataView(rawData.slice().buffer).getFloat32(0, true) === 2.5,
  );
  assert.equal(limit?.dataType, 1);
});

test('weights are named by their path and stay out of the file', () => {
  const g = graphBuilder('trial', {});
  const weight = g.external('weight', 'f32', [4, 2], 'layer-0');
  g.output('out', g.matMul(g.input('x', 'f32', ['Q', 4]), weight));
  const [tensor] = parse(g).graph!.initializer;
  assert.equal(tensor!.dataLocation, 1);
  assert.equal(tensor!.rawData.length, 0);
  assert.deepEqual(
    tensor!.externalData.map(({ key, value }) => [key, value]),
    [
      ['location', 'layer-0'],
      ['offset', '0'],
      ['length', '32'],
    ],
  );
});

test('the graph of every operator parses, and every value it uses was made before', () => {
  const sizes = { L: 2, Hq: 6, Hkv: 3, G: 2, D: 64, X: 24, R: 8, V: 40 };
  for (const factory of Object.values(operators)) {
    const { operator, params } = factory();
    if (!operator.graph) continue;
    const { graph } = parse(operatorGraph(operator, params, sizes, 'wasm'));
    const known = new Set([...graph!.input, ...graph!.initializer].map(({ name }) => name));
    for (const node of graph!.node) {
      for (const name of node.input)
        assert.ok(name === '' || known.has(name), `${operator.name}: ${name} is used early`);
      for (const name of node.output) known.add(name);
    }
    for (const { name } of graph!.output) assert.ok(known.has(name), `${operator.name}: ${name} is never made`);
  }
});
