/** Codes written and read back by small graphs on one device: packing at all widths, halves, quantization. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  channelScale,
  type Encoding,
  type GraphBuilder,
  graphBuilder,
  hadamard,
  hashedUniform,
  mixRows,
  packBits,
  pipe,
  planesOf,
  quant,
  roundToHalf,
  type Sizes,
  unpackBits,
  type Value,
} from '@kvlab/ops';
import type { Device } from '../../kernel/src/engine/runtime/platform.ts';
import { openRuntime, type Runtime } from '../../kernel/src/engine/runtime/runtime.ts';
import type { Tensor } from '../../kernel/src/engine/runtime/tensor.ts';
import { useSoftwareGraphics } from '../model/swiftshader.ts';

const float32 = (dims: readonly number[], data: ArrayLike<number>): Tensor => ({
  type: 'float32',
  dims,
  data: Float32Array.from(data),
});

/** Runs a graph with one input x and gives all its outputs. */
async function runGraph(
  runtime: Runtime,
  sizes: Sizes,
  dims: readonly string[],
  x: Tensor,
  build: (g: GraphBuilder, x: Value) => Record<string, Value>,
): Promise<Record<string, Tensor>> {
  const g = graphBuilder('codes', sizes, runtime.device);
  const outputs = build(g, g.input('x', 'f32', dims));
  for (const [name, value] of Object.entries(outputs)) g.output(name, value);
  const session = await runtime.create(g.encode());
  const given = await session.run({ x }, Object.keys(outputs));
  await session.release();
  return given;
}

/** x [H, T, D] through an encoding and back, with the codes between. */
async function roundTrip(runtime: Runtime, encoding: Encoding, x: Tensor) {
  const [H, , D] = x.dims as [number, number, number];
  return runGraph(runtime, { H, D }, ['H', 'T', 'D'], x, (g, input) => {
    const codes = encoding.write(g, input);
    const named = Object.entries(codes).map(([name, value]) => [`code_${name}`, value] as const);
    return { ...Object.fromEntries(named), restored: encoding.read(g, codes) };
  });
}

export function testCodes(device: Device): void {
  let runtime: Runtime;
  before(async () => {
    useSoftwareGraphics();
    runtime = await openRuntime(device, { threads: 1 });
  });
  after(() => runtime?.release());

  for (let bits = 1; bits <= 8; bits++)
    test(`codes of ${bits} bits fill whole bytes and come back unchanged on ${device}`, async () => {
      const codes = Array.from({ length: 3 * 16 * 5 }, (_, i) => Math.floor(hashedUniform(bits, i, 0, 0) * 2 ** bits));
      codes[0] = 2 ** bits - 1;
      const given = await runGraph(runtime, {}, ['A', 'B', 'C'], float32([3, 16, 5], codes), (g, x) => {
        const groups = g.reshape(x, [3, 16, 5]);
        const planes = packBits(g, groups, 1, 16, bits);
        const named = Object.fromEntries(planes.map((plane, i) => [`plane${i}`, plane]));
        return { ...named, codes: unpackBits(g, planes, 1, 16, bits) };
      });
      assert.deepEqual([...given.codes!.data], codes);
      const planes = planesOf(bits).map((_, i) => given[`plane${i}`]!);
      assert.ok(planes.every(({ type }) => type === 'uint8'));
      assert.equal(
        planes.reduce((n, { data }) => n + data.length, 0),
        (codes.length * bits) / 8,
      );
    });

  test(`a number rounds to the nearest half, ties to even, on ${device}`, async () => {
    const values = [1, -1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 / 3, -1000.3, 65504, 6.2e-5, 0];
    for (let i = 0; i < 500; i++) values.push((hashedUniform(1, i, 0, 0) - 0.5) * 2 ** Math.floor(i / 25 - 10));
    const given = await runGraph(runtime, {}, ['T'], float32([values.length], values), (g, x) => ({
      halves: roundToHalf(g, x),
    }));
    const normal = values.map(Math.fround).filter((v) => v === 0 || Math.abs(v) >= 6.2e-5);
    const expected = normal.map(nearestHalf);
    const found = [...given.halves!.data].filter(
      (_, i) => values[i] === 0 || Math.abs(Math.fround(values[i]!)) >= 6.2e-5,
    );
    assert.deepEqual(found, expected);
  });

  for (const [per, bits] of [
    ['channel', 2],
    ['token', 2],
    ['token', 3],
    ['channel', 4],
    ['token', 8],
  ] as const)
    test(`no number moves by more than half a step with ${bits} bits per ${per} on ${device}`, async () => {
      const [H, T, D, group] = [2, 32, 32, 16];
      const x = Array.from({ length: H * T * D }, (_, i) => Math.fround(6 * hashedUniform(7, i, bits, 0) - 3));
      // One constant group, which has no range to divide.
      for (let i = 0; i < group; i++) x[per === 'token' ? i : i * D] = 1.5;
      const given = await roundTrip(runtime, quant({ bits, per, group, scales: 'exact' }), float32([H, T, D], x));
      const steps = given.code_scale!.data as Float32Array;
      const columns = per === 'token' ? D / group : D;
      x.forEach((v, i) => {
        const [h, t, d] = [Math.floor(i / (T * D)), Math.floor(i / D) % T, i % D];
        const step =
          per === 'token'
            ? steps[(h * T + t) * columns + Math.floor(d / group)]!
            : steps[(h * (T / group) + Math.floor(t / group)) * columns + d]!;
        const error = Math.abs((given.restored!.data[i] as number) - v);
        assert.ok(error <= step * 0.5001 + 1e-6, `element ${i} moved by ${error}, half a step is ${step / 2}`);
      });
      const constant = x.indexOf(1.5);
      assert.equal(given.restored!.data[constant], 1.5);
    });

  test(`a constant group keeps its value with stored halves on ${device}`, async () => {
    const x = float32([1, 1, 8], new Array(8).fill(0.1));
    const { restored } = await roundTrip(runtime, quant({ bits: 2, per: 'token', group: 8 }), x);
    for (const v of restored!.data) assert.ok(Math.abs((v as number) - 0.1) <= 2 ** -14, `0.1 came back as ${v}`);
  });

  for (const [name, encoding] of Object.entries({
    'groups of 16': quant({ bits: 3, group: 16, per: 'token' }),
    'whole rows': quant({ bits: 2, group: 32, per: 'token' }),
    'one scale for all heads': quant({ bits: 2, per: 'row' }),
    'rotated rows': pipe(hadamard(), quant({ bits: 2, group: 32, per: 'token' })),
    'channels with scales': pipe(channelScale(), quant({ bits: 4, per: 'row' })),
  }))
    test(`shares of ${name} add up to what the restored rows add up to, on ${device}`, async () => {
      const [H, T, D, R] = [2, 24, 32, 3];
      const rows = Array.from({ length: H * T * D }, (_, i) => 6 * hashedUniform(8, i, 0, 0) - 3);
      const given = await runGraph(runtime, { H, T, D }, ['H', 'T', 'D'], float32([H, T, D], rows), (g, x) => {
        const known = encoding.learn?.(g, x, {}, {}) ?? {};
        const codes = { ...known, ...encoding.write(g, x, known) };
        const share = Array.from({ length: H * R * T }, (_, i) => hashedUniform(9, i, 0, 0) / T);
        const shares = g.constant('f32', share, [H, R, T]);
        return { sums: mixRows(g, encoding, shares, codes), expected: g.matMul(shares, encoding.read(g, codes)) };
      });
      assert.ok(encoding.mix);
      const [sums, expected] = [given.sums!.data, given.expected!.data] as Float32Array[];
      assert.ok(sums!.every((v, i) => Math.abs(v - expected![i]!) < 1e-5));
    });
}

/** The f16 that is nearest, by the language's own conversion. */
export function nearestHalf(value: number): number {
  const view = new DataView(new ArrayBuffer(2)) as DataView & {
    setFloat16(at: number, value: number): void;
    getFloat16(at: number): number;
  };
  view.setFloat16(0, value);
  return view.getFloat16(0);
}
