import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Capture,
  echoHeads,
  type Fit,
  gateRegression,
  hashedUniform,
  passkeyHeads,
  retainRegression,
  type Tensor,
  tensor,
} from '@kvlab/ops';
import { cholesky, solve } from '../../ops/algebra/cholesky.ts';
import { regression } from '../../ops/algebra/ridge.ts';

const random = (salt: number, i: number, j = 0) => hashedUniform(salt, i, j, 9) - 0.5;

function fitted(fit: Fit, captures: Capture[]) {
  const fitting = fit.start();
  for (const capture of captures) fitting.see(capture);
  return fitting.give(async () => {});
}

/** Attention of four query heads over T tokens: each looks at the one place that `target` names, or at itself. */
function looking(T: number, target: (queryHead: number, i: number) => number) {
  const attention = tensor([4, T, T]);
  for (let h = 0; h < 4; h++)
    for (let i = 0; i < T; i++) {
      const j = target(h, i);
      attention.set(1, h, i, j >= 0 && j <= i ? j : i);
    }
  return attention;
}
/** Rows of the last queries alone. */
function lastRows({ dims, data }: Tensor, rows: number): Tensor {
  const [H, Q, T] = dims as [number, number, number];
  const heads = Array.from({ length: H }, (_, h) => Array.from(data.subarray((h * Q + Q - rows) * T, (h + 1) * Q * T)));
  return tensor([H, rows, T], heads.flat());
}
const capture = (layer: number, tensors: Capture['tensors'], more: Partial<Capture> = {}): Capture => ({
  sample: 0,
  layer,
  tensors,
  kvHeads: 2,
  ...more,
});

test('the head that looks back at copies and the head after them are retrieval heads', async () => {
  const period = 8;
  const captures = [0, 1].map((layer) => {
    const copies = (h: number, i: number) => {
      if (layer === 0 && h === 1) return i - period;
      return layer === 1 && h === 2 ? i - period + 1 : -1;
    };
    return capture(layer, { attention: looking(32, copies) });
  });
  const { retrieval } = await fitted(echoHeads({ echo: 0.25, induction: 0.25, period }), captures);
  assert.deepEqual(retrieval!.dims, [2, 2]);
  assert.deepEqual([...retrieval!.data], [1, 0, 0, 1]);
});

test('uniform attention over 512 tokens of 128 that repeat gives echoes of .0062 a row', async () => {
  const { repeatMass } = await import('../../ops/fit/echo-heads.ts');
  const T = 512;
  const attention = tensor([1, T, T]);
  for (let i = 0; i < T; i++) for (let j = 0; j <= i; j++) attention.set(1 / (i + 1), 0, i, j);
  assert.ok(Math.abs(repeatMass(attention, 0, 128, 0) - 0.0062) < 1e-4);
});

test('the head that finds the key behind the window is a retrieval head, and the one that looks at sinks is not', async () => {
  const captures = [0, 1].map((layer) =>
    capture(layer, {
      attention: lastRows(
        looking(40, (h) => (layer === 1 && h === 3 ? 12 : h === 0 ? 1 : -1)),
        4,
      ),
    }),
  );
  const { retrieval } = await fitted(passkeyHeads({ share: 0.25, sinks: 4, recent: 8 }), captures);
  assert.deepEqual([...retrieval!.data], [0, 0, 0, 1]);
});

test('the gate learns from hidden states which tokens later queries look at, and lets the wanted share pass', async () => {
  const [T, X, keep] = [64, 6, 0.25];
  const hidden = tensor([T, X]);
  for (let i = 0; i < T * X; i++) hidden.data[i] = random(1, i);
  const attention = tensor([4, T, T]);
  // Group 0 looks at tokens with a large first channel, group 1 at those with a small second one.
  for (let h = 0; h < 4; h++)
    for (let q = 0; q < T; q++)
      for (let t = 0; t <= q; t++) attention.set(Math.exp(8 * (h < 2 ? hidden.get(t, 0) : -hidden.get(t, 1))), h, q, t);
  const { gate, bias } = await fitted(gateRegression({ keep }), [capture(0, { attention, hidden })]);
  assert.deepEqual([gate!.dims, bias!.dims], [[1, 2, X], [1, 2]]); // biome-ignore format: two shapes
  for (const [h, channel, sign] of [
    [0, 0, 1],
    [1, 1, -1],
  ] as const) {
    const read = (t: number) => {
      let sum = bias!.get(0, h);
      for (let x = 0; x < X; x++) sum += gate!.get(0, h, x) * hidden.get(t, x);
      return sum;
    };
    const passed = Array.from({ length: T }, (_, t) => t).filter((t) => read(t) > 0);
    assert.equal(passed.length, keep * T);
    const mean = passed.reduce((a, t) => a + sign * hidden.get(t, channel), 0) / passed.length;
    assert.ok(mean > 0.2, `head ${h} lets tokens of mean ${mean} pass`);
  }
});

test('the retaining head learns how strongly later queries look at a key', async () => {
  const [T, D] = [200, 3];
  const fill = (H: number, salt: number) => {
    const x = tensor([H, T, D]);
    for (let i = 0; i < x.data.length; i++) x.data[i] = random(salt, i);
    return x;
  };
  const [queries, keys, values] = [fill(4, 2), fill(2, 3), fill(2, 4)];
  const products = tensor([4, T, T]);
  for (let h = 0; h < 4; h++)
    for (let q = 0; q < T; q++) for (let t = 0; t <= q; t++) products.set(2 * keys.get(h >> 1, t, 1) + 0.5, h, q, t);
  const found = await fitted(retainRegression({ strength: 1e-6 }), [capture(0, { queries, keys, values, products })]);
  assert.deepEqual(found.ofKey!.dims, [1, 2, D]);
  for (let h = 0; h < 2; h++) {
    assert.ok(Math.abs(found.ofKey!.get(0, h, 1) - 2) < 1e-2);
    assert.ok(Math.abs(found.ofQuery!.get(0, h, 0)) < 1e-2 && Math.abs(found.bias!.get(0, h) - 0.5) < 1e-2);
  }
});

test('a ridge regression without strength finds the line that made its labels', () => {
  const sums = regression(2, 2);
  for (let i = 0; i < 50; i++) {
    const x = [random(5, i), random(6, i)];
    sums.add(x, [3 * x[0]! - x[1]! + 2, x[1]!]);
  }
  const found = sums.solve(0).flatMap(({ weights, bias }) => [...weights, bias]);
  const expected = [3, -1, 2, 0, 1, 0];
  for (const [i, v] of expected.entries()) assert.ok(Math.abs(found[i]! - v) < 1e-6);
});

test('a positive system is solved, and one that is not positive is refused with its pivot', () => {
  const a = [[4, 2], [2, 3]].map((row) => Float64Array.from(row)); // biome-ignore format: a matrix
  const x = solve(cholesky(a), [10, 8]);
  assert.ok(Math.abs(x[0]! - 1.75) < 1e-12 && Math.abs(x[1]! - 1.5) < 1e-12);
  assert.throws(() => cholesky([Float64Array.of(1, 2), Float64Array.of(2, 1)]), /cholesky: pivot 1 is -3/);
});
