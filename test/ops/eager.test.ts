import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { f32, number, operator, tensor } from '@kvlab/ops';
import { checkOperator } from '../../kernel/src/engine/operate/check.ts';
import { createOperate, createOps, type Operate, type Ops } from '../../kernel/src/engine/operate/operate.ts';
import { openRuntime, type Runtime } from '../../kernel/src/engine/runtime/runtime.ts';

let runtime: Runtime;
let ops: Ops;
let operate: Operate;
before(async () => {
  runtime = await openRuntime('wasm', { threads: 1 });
  ops = createOps(runtime);
  operate = createOperate(runtime);
});
after(() => runtime.release());

const zeros = (...dims: number[]) => ({ dims, data: new Float32Array(dims.reduce((n, d) => n * d, 1)) });

test('an operator takes nested lists and gives tensors with dims and data', async () => {
  const { score } = await ops.accumulatedAttention({ attention: [[[0.9, 0.1]]], score: [[0.5, 0]] });
  assert.deepEqual(score.dims, [1, 2]);
  assert.equal(score.ran, 'wasm');
  assert.ok(score.data instanceof Float32Array);
  assert.ok(Math.abs(score.data[0]! - 1.4) < 1e-6 && Math.abs(score.data[1]! - 0.1) < 1e-6);
});

test('an operator takes typed tensors and parameters', async () => {
  const attention = { dims: [3, 1, 2], data: Float32Array.from([0.5, 0.5, 0.25, 0.75, 0, 1]) };
  const { score } = await ops.accumulatedAttention({ attention, score: [[0, 0]] }, { group: 'max' });
  assert.deepEqual(score.toArray(), [[0.5, 1]]);
});

test('a state that is left out starts afresh', async () => {
  const { score } = await ops.accumulatedAttention({ attention: [[[0.25, 0.75]]] }, {}, { sizes: { Hkv: 1 } });
  assert.deepEqual(score.toArray(), [[0.25, 0.75]]);
});

test('the reference can be asked for, and answers in float64', async () => {
  const { score } = await ops.keyNorm({ keys: [[[1, 1]]] }, {}, { by: 'reference' });
  assert.equal(score.ran, 'reference');
  assert.equal(score.data[0], -Math.SQRT2);
});

test('a host operator runs as its reference and says so', async () => {
  const { score } = await ops.randomScore({ position: [[0, 5]] }, {}, { now: { seed: 3, layer: 1 } });
  assert.equal(score.ran, 'reference');
  assert.ok([...score.data].every((v) => v >= 0 && v < 1));
});

test('shapes that disagree are refused with both shapes and the fix', async () => {
  await assert.rejects(ops.accumulatedAttention({ attention: zeros(9, 1, 130), score: zeros(3, 128) }), {
    message:
      'accumulated-attention: attention is [9, 1, 130] but score is [3, 128]; T differs by 2. Pass zeros for the two new keys.',
  });
  await assert.rejects(
    ops.accumulatedAttention({ attention: zeros(9, 1, 4), score: zeros(3, 5) }),
    /T differs by 1\. Leave out the key that left\.$/,
  );
  await assert.rejects(
    ops.accumulatedAttention({ attention: zeros(9, 4), score: zeros(3, 4) }),
    /attention is \[9, 4\] but needs the 3 axes \[Hq, Q, T\]/,
  );
  await assert.rejects(
    ops.accumulatedAttention({ attention: zeros(8, 1, 4), score: zeros(3, 4) }),
    /8 query heads cannot share 3 key heads equally; give a multiple of 3/,
  );
});

test('inputs that are missing, unknown, ragged or not a number are refused by name', async () => {
  const wrong = ops as unknown as Record<string, (inputs: unknown, params?: unknown) => Promise<unknown>>;
  await assert.rejects(wrong.keyNorm!({}), /key-norm: input keys is missing; it takes keys \[Hkv, Q, D\]/);
  await assert.rejects(wrong.keyNorm!({ key: [[[1]]] }), /key-norm: there is no input key; it takes keys/);
  await assert.rejects(wrong.keyNorm!({ keys: [[[1, 2], [3]]] }), /key-norm: keys is no tensor .*one length/);
  await assert.rejects(wrong.keyNorm!({ keys: [[[1, Number.NaN]]] }), /keys is not a number at \[0, 0, 1\]/);
  await assert.rejects(wrong.windowAttention!({ attention: [[[1]]] }), /no input shows Hkv.*sizes: \{ Hkv/);
  await assert.rejects(
    wrong.accumulatedAttention!({ attention: [[[1]]], score: [[0]] }, { decay: 2 }),
    /accumulated-attention: decay is 2; give a number from 0 to 1/,
  );
});

/** Half of what a key received; the graph multiplies with `by` as well, which is a mistake unless it is 1. */
const halved = (by: number, given = 1) =>
  operator({
    name: 'halved-sum',
    kind: 'score',
    scope: 'head',
    title: 'half of what a key received',
    params: { share: number({ default: 0.5, note: 'of the sum' }) },
    inputs: { attention: f32(['Hq', 'Q', 'T'], { values: 'rows' }) },
    outputs: { score: f32(['Hq', 'T']) },
    graph: (g, { attention }, { share }) => ({ score: g.mul(g.reduceSum(attention!, 'Q'), share * by) }),
    reference({ attention }, { share }) {
      const [Hq, Q, T] = attention!.dims as [number, number, number];
      const score = tensor([Hq, T]);
      for (let h = 0; h < Hq; h++)
        for (let q = 0; q < Q; q++) for (let t = 0; t < T; t++) score.add(share * attention!.get(h, q, t), h, t);
      return { score };
    },
    example: { inputs: { attention: [[[given]]] }, outputs: { score: [[0.5 * given]] } },
  });

test('an operator written by a user runs as those of the list', async () => {
  const { score } = await operate(halved(1), { attention: [[[0.5, 0.5]]] });
  assert.deepEqual(score.toArray(), [[0.25, 0.25]]);
  const report = await checkOperator(operate, halved(1));
  assert.equal(report.ran, 'wasm');
  assert.match(report.text, /halved-sum: example and 20 random cases hold/);
});

test('a graph that differs from its reference is found, and the message says how', async () => {
  await assert.rejects(
    checkOperator(operate, halved(3)),
    /halved-sum, example by its graph: score differs in 1 of 1 elements; at \[0, 0\] it is 1\.5 but should be 0\.5/,
  );
  await assert.rejects(
    checkOperator(operate, halved(3, 0)),
    /case 0 .*T 1.* It is 3 times what it should be everywhere/,
  );
});

test('a graph that gives another shape than it declares is refused before it runs', async () => {
  const wrong = operator({ ...halved(1).definition, graph: (_, { attention }) => ({ score: attention! }) });
  await assert.rejects(
    operate(wrong, { attention: [[[1]]] }),
    /halved-sum: its graph gives score as \[Hq, Q, T\], but it declares \[Hq, T\]/,
  );
});

test('one session serves all lengths, and new fixed sizes open another', async () => {
  let made = 0;
  const counting: Runtime = {
    ...runtime,
    create: (model, data) => {
      made++;
      return runtime.create(model, data);
    },
  };
  const eager = createOps(counting);
  for (const T of [1, 7, 64]) await eager.keyNorm({ keys: zeros(3, T, 8) });
  assert.equal(made, 1);
  await eager.keyNorm({ keys: zeros(3, 1, 16) });
  assert.equal(made, 2);
});
