import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hashedUniform, type Method, madeInputs, methods } from '@kvlab/ops';
import { stepGraph } from '../../kernel/src/engine/export/step.ts';
import type { Applied } from '../../kernel/src/engine/run/apply.ts';
import { lab } from '../../kernel/src/lab.ts';
import { type PlainTensor, type PythonRun, runInPython } from './python-run.ts';

const sizes = { queryHeads: 6, kvHeads: 3, headSize: 64, promptLength: 70 };
const T = sizes.promptLength;

function random(dims: readonly number[], seed: number): PlainTensor {
  const count = dims.reduce((n, d) => n * d, 1);
  const data = Array.from({ length: count }, (_, i) => Math.fround(4 * hashedUniform(seed, i, 0, 0) - 2));
  return { type: 'float32', dims, data };
}
const queries = random([6, T, 64], 1);
const keys = random([3, T, 64], 2);
const values = random([3, T, 64], 3);

const settings: Record<string, Method> = {
  streamingLLM: methods.streamingLLM({ sinks: 4, recent: 16, positions: 'absolute' }),
  h2o: methods.h2o({ keep: 0.4 }),
  snapKV: methods.snapKV({ entries: 30, window: 8 }),
  kivi: methods.kivi({ bits: 3, group: 16, residual: 32 }),
  zipCache: methods.zipCache({ group: 8 }),
  mikv: methods.mikv({ recent: 8 }),
  gear: methods.gear({ block: 16, group: 32 }),
};

/** The inputs that a file asks for at the end of a prompt: nothing was there before. */
function inputsOf(method: Method): Record<string, PlainTensor> {
  const inputs: Record<string, PlainTensor> = {
    queries,
    keys,
    values,
    position: { type: 'int32', dims: [T], data: Array.from({ length: T }, (_, t) => t) },
  };
  const zeros = (type: PlainTensor['type']): PlainTensor => ({ type, dims: [3, T], data: new Array(3 * T).fill(0) });
  const { select, score } = method.declaration;
  for (const suffix of select.keys === select.values ? [''] : ['.keys', '.values'])
    inputs[`zone_before${suffix}`] = zeros('int32');
  const { operator, params } = score;
  for (const state of Object.keys(operator.state ?? {})) inputs[`previous_${state}`] = zeros('float32');
  const now = { step: 0, seen: T, promptLength: T, layer: 0, seed: 0, sizes: {} };
  const at = { kvHeads: [0, 1, 2], group: 2, queries: inputs.position!.data, entries: [] };
  for (const [name, data] of Object.entries(madeInputs(operator, params, now, at)))
    inputs[name] = { type: 'float32', dims: [T, 1], data: [...data] };
  return inputs;
}

/** Positions of a head whose zone is one of these. */
const positionsIn = ({ data }: PlainTensor, head: number, zones: (zone: number) => boolean): number[] =>
  Array.from({ length: T }, (_, t) => t).filter((t) => zones(data[head * T + t]!));

/** Largest difference of the rows that Python read back of a zone from those that the engine reads at the same positions. */
function rowsApart(method: Method, { outputs }: PythonRun, applied: Applied, part: 'keys' | 'values'): number {
  let most = 0;
  let compared = 0;
  for (const [number, zone] of method.zones.entries())
    for (let h = 0; h < 3; h++) {
      const own = outputs[`read.${zone}.${part}@${h}`];
      const read = own ?? outputs[`read.${zone}.${part}`];
      if (!read) continue;
      const rows = read.dims[1]!;
      const inZone = positionsIn(outputs[`zone.${part}`] ?? outputs.zone!, h, (z) => z === number).slice(0, rows);
      const kept = [...applied.kept[h]!];
      const engine = part === 'keys' ? applied.keysRead[h]! : applied.valuesRead[h]!;
      for (const [i, position] of inZone.entries())
        for (let d = 0; d < 64; d++) {
          const found = read.data[((own ? 0 : h) * rows + i) * 64 + d]!;
          most = Math.max(most, Math.abs(found - engine[kept.indexOf(position) * 64 + d]!));
          compared++;
        }
    }
  return compared ? most : Number.NaN;
}

describe('a method as an ONNX file', () => {
  const runs = new Map<string, { python: PythonRun; applied: Applied }>();
  before(async () => {
    for (const [name, method] of Object.entries(settings)) {
      const python = await runInPython(method, sizes, inputsOf(method));
      const applied = await lab.apply(method, { queries, keys, values });
      runs.set(name, { python, applied });
    }
  });
  after(() => runs.clear());

  for (const [name, method] of Object.entries(settings)) {
    test(`${name}: Python accepts the file and keeps what we keep`, () => {
      const { python, applied } = runs.get(name)!;
      const zone = python.outputs.zone ?? python.outputs['zone.keys']!;
      for (let h = 0; h < 3; h++)
        assert.deepEqual(
          positionsIn(zone, h, (z) => z !== 255),
          [...applied.kept[h]!],
        );
      const kept = python.outputs.kept!.data.filter(Boolean).length;
      assert.equal(kept, applied.kept.reduce((n, own) => n + own.length, 0)); // biome-ignore format: one line
      if (applied.scores.length) {
        const found = python.outputs.score!.data;
        const expected = applied.scores.flatMap((own) => [...own]);
        const apart = Math.max(...expected.map((v, i) => Math.abs(v - found[i]!)));
        assert.ok(apart < 1e-4 * Math.max(...expected.map(Math.abs)), `scores apart by ${apart}`);
      }
    });

    test(`${name}: the file names its dimensions, its paper and its parameters`, () => {
      const { metadata, dims } = runs.get(name)!.python;
      assert.deepEqual(dims.keys, [3, 'T', 64]);
      assert.deepEqual(dims.queries, [6, 'Q', 64]);
      assert.equal(metadata.method, method.name);
      assert.equal(metadata.paper, method.paper);
      assert.deepEqual(JSON.parse(metadata.zones!), method.zones);
      assert.deepEqual(JSON.parse(metadata.parameters!), JSON.parse(JSON.stringify(method.options)));
    });
  }

  for (const name of ['kivi', 'zipCache', 'mikv', 'gear'])
    test(`${name}: the codes that Python writes are read as ours`, () => {
      const { python, applied } = runs.get(name)!;
      for (const part of ['keys', 'values'] as const) {
        const apart = rowsApart(settings[name]!, python, applied, part);
        assert.ok(apart < 2e-3, `${part} apart by ${apart}`);
      }
    });

  test('KIVI writes whole bytes: keys in two planes of 3 bits, 38 residual keys exact', () => {
    const { outputs } = runs.get('kivi')!.python;
    assert.deepEqual(outputs['codes.body.keys.codes0']!.dims, [3, 4, 4, 64]);
    assert.deepEqual(outputs['codes.body.keys.codes1']!.dims, [3, 4, 2, 64]);
    assert.equal(outputs['codes.body.keys.codes0']!.type, 'uint8');
    assert.equal(
      positionsIn(outputs['zone.keys']!, 0, (z) => z === settings.kivi!.zones.indexOf('residual')).length,
      6,
    );
  });

  test('attention of the step is softmax attention over all entries', () => {
    const { output } = runs.get('h2o')!.python.outputs;
    const row = (tensor: PlainTensor, h: number, t: number) =>
      tensor.data.slice((h * T + t) * 64, (h * T + t + 1) * 64);
    const q = row(queries, 5, 20);
    const logits = Array.from({ length: 21 }, (_, t) => row(keys, 2, t).reduce((n, k, d) => n + (k * q[d]!) / 8, 0));
    const sum = logits.reduce((n, l) => n + Math.exp(l), 0);
    const expected = q.map((_, d) => logits.reduce((n, l, t) => n + (Math.exp(l) / sum) * row(values, 2, t)[d]!, 0));
    for (const [d, v] of row(output!, 5, 20).entries()) assert.ok(Math.abs(v - expected[d]!) < 1e-4);
  });
});

describe('what runs on the host is refused, with its slot', () => {
  const refused: [string, () => Method, RegExp][] = [
    [
      'a pass',
      () => methods.gemFilter(),
      /GemFilter cannot be a graph, since passes .* runs on the host; export the method without its pass/,
    ],
    ['an allocation by score', () => methods.adaKV(), /AdaKV cannot be a graph, since allocate .* runs on the host/],
    [
      'fitted head classes',
      () => methods.duoAttention(),
      /DuoAttention cannot be a graph, since allocate .* runs on the host/,
    ],
    [
      'chunks',
      () => methods.chunkKV(),
      /ChunkKV cannot be a graph, since select top chunks of 20 \(zone heavy\) runs on the host/,
    ],
    ['pages', () => methods.quest(), /Quest cannot be a graph, since segment .* runs on the host/],
  ];
  for (const [what, make, message] of refused)
    test(`${what}`, () => assert.throws(() => stepGraph(make(), sizes), message));

  test('every method of the library is a graph, or is refused by the slot that runs on the host', () => {
    const made = Object.entries(methods).filter(([name, factory]) => {
      try {
        return stepGraph((factory as unknown as () => Method)(), sizes).encode().length > 0;
      } catch (error) {
        const slot = /cannot be a graph, since (\w+) .* runs on the host; /.exec((error as Error).message)?.[1];
        const slots = ['passes', 'segment', 'score', 'allocate', 'select', 'place', 'fetch'];
        assert.ok(slots.includes(slot ?? ''), `${name}: ${(error as Error).message}`);
        return false;
      }
    });
    assert.ok(made.length >= 20, made.map(([name]) => name).join());
  });

  test('query heads that cannot share the KV heads are refused', () => {
    assert.throws(() => stepGraph(methods.h2o(), { ...sizes, queryHeads: 5 }), /5 query heads cannot share 3 KV heads/);
  });
});
