import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AnyDefinition,
  fromNested,
  gumbelNoise,
  hashedUniform,
  madeInputs,
  type Nested,
  operators,
  scoredIn,
  type Tensor,
  tensor,
} from '@kvlab/ops';

type Given = Record<string, Nested | Tensor>;
const now = (o: Partial<{ seen: number; step: number; Hkv: number; D: number }> = {}) => ({
  step: 0,
  seen: 0,
  promptLength: 0,
  layer: 0,
  seed: 1,
  ...o,
  sizes: { Hkv: o.Hkv ?? 1, D: o.D ?? 2 },
});

/** The reference of an operator on nested lists. */
function score(
  name: keyof typeof operators,
  given: Given,
  params: object = {},
  moment = now(),
): Record<string, Tensor> {
  const factory = operators[name] as unknown as { (p: object): { params: never }; definition: AnyDefinition };
  const read = ([input, value]: [string, Nested | Tensor]): [string, Tensor] => [
    input,
    typeof value === 'object' && 'dims' in value ? value : fromNested(value as Nested),
  ];
  const inputs = Object.fromEntries(Object.entries(given).map(read));
  return factory.definition.reference(inputs, factory(params).params, moment);
}
const list = (t: Tensor | undefined) => [...t!.data].map((v) => Math.round(v * 1000) / 1000);

/** Uniform causal attention of the last Q of T tokens in one head. */
const uniform = (Q: number, T: number) => [
  Array.from({ length: Q }, (_, q) => Array.from({ length: T }, (_, t) => (t <= T - Q + q ? 1 / (T - Q + q + 1) : 0))),
];

test('uniform attention over four tokens gives 25/12, 13/12, 7/12 and 1/4, and divided by its queries .521 to .25', () => {
  const sums = score('accumulatedAttention', { attention: uniform(4, 4), score: [[0, 0, 0, 0]] });
  assert.deepEqual(list(sums.score), [2.083, 1.083, 0.583, 0.25]);
  const zeros = [[0, 0, 0, 0]];
  const means = score('averageAttention', { attention: uniform(4, 4), received: zeros, visible: zeros });
  assert.deepEqual(list(means.score), [0.521, 0.361, 0.292, 0.25]);
});

test('accumulating query by query equals one pass, and the scores sum to the number of queries', () => {
  const T = 6;
  const rows = uniform(T, T)[0]!;
  let column = tensor([1, T]);
  for (const row of rows) column = score('accumulatedAttention', { attention: [[row]], score: column }).score!;
  const whole = score('accumulatedAttention', { attention: [rows], score: tensor([1, T]) }).score!;
  assert.deepEqual(list(column), list(whole));
  assert.ok(Math.abs(column.data.reduce((a, b) => a + b, 0) - T) < 1e-9);
});

test('a mean over neighbours counts the padding, a maximum does not', () => {
  const attention = [[[1, 2, 3, 0]]];
  const pooled = (pool: string) => list(score('windowAttention', { attention }, { pool, kernel: 3 }).score).slice(0, 3);
  assert.deepEqual(pooled('mean'), [1, 2, 1.667]);
  assert.deepEqual(pooled('max'), [2, 3, 3]);
});

test('without noise and at temperature 1 Keyformer scores are those of H2O', () => {
  const logits = [
    [2, 0, -1],
    [0.5, 1, 3],
  ];
  const products = [logits.map((row) => [...row])];
  const noise = [logits.map((row) => row.map(() => 0))];
  const rows = logits.map((row) => {
    const sum = row.reduce((a, v) => a + Math.exp(v), 0);
    return row.map((v) => Math.exp(v) / sum);
  });
  const noisy = score('noisyAttention', { products, noise, temperature: [1], score: [[0, 0, 0]] });
  const plain = score('accumulatedAttention', { attention: [rows], score: [[0, 0, 0]] });
  assert.deepEqual(list(noisy.score), list(plain.score));
});

test('the noise follows from seed, layer, head, query and entry alone, and is Gumbel distributed', () => {
  const draws = Array.from({ length: 20000 }, (_, i) => gumbelNoise(3, 1, i % 9, Math.floor(i / 90), i % 90));
  const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
  const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length;
  assert.ok(Math.abs(mean - 0.5772) < 0.03, `mean ${mean}`);
  assert.ok(Math.abs(variance - Math.PI ** 2 / 6) < 0.08, `variance ${variance}`);
  assert.equal(gumbelNoise(3, 1, 2, 5, 7), gumbelNoise(3, 1, 2, 5, 7));
  assert.notEqual(gumbelNoise(3, 1, 2, 5, 7), gumbelNoise(4, 1, 2, 5, 7));
});

test('the temperature rises from start to end over the given number of tokens and stays there', () => {
  const { definition } = operators.noisyAttention;
  const { params } = operators.noisyAttention({ steps: 10 });
  const at = { kvHeads: [0], group: 1, queries: [0], entries: [[0]] };
  const temperature = (step: number) => madeInputs(definition as never, params, now({ step }), at).temperature![0];
  assert.deepEqual([0, 5, 10, 99].map(temperature), [1, 1.5, 2, 2]);
});

test('uniform attention is nowhere below average, and a row .4 .3 .2 .1 is at its last two', () => {
  const { params } = operators.belowAverageCount({ history: 8 });
  const { definition } = operators.belowAverageCount;
  const count = (attention: number[][][]) => {
    const [Q, T] = [attention[0]!.length, attention[0]![0]!.length];
    const at = { kvHeads: [0], group: 1, queries: Array.from({ length: Q }, (_, q) => T - Q + q), entries: [[]] };
    const made = madeInputs(definition as never, params, now(), at);
    const halves = Object.fromEntries(
      Object.entries(made).map(([n, v]) => [n, tensor(n === 'newer' || n === 'older' ? [Q, 1] : [1], v)]),
    );
    const zeros = () => tensor([1, T]);
    const states = { current: zeros(), before: zeros(), received: zeros() };
    const found = score('belowAverageCount', { attention, ...halves, ...states }, { history: 8 });
    return [...found.current!.data].map((v, t) => v + found.before!.data[t]!);
  };
  assert.deepEqual(count(uniform(4, 4)), [0, 0, 0, 0]);
  assert.deepEqual(count([[[0.4, 0.3, 0.2, 0.1]]]), [0, 0, 1, 1]);
});

test('the history forgets: what was below average longer ago than the history no longer counts', () => {
  const { definition } = operators.belowAverageCount;
  const { params } = operators.belowAverageCount({ history: 8 });
  let states = { current: tensor([1, 2]), before: tensor([1, 2]), received: tensor([1, 2]) };
  const counts: number[] = [];
  for (let position = 0; position < 40; position++) {
    const attention = [[position < 20 ? [0.9, 0.1] : [0.1, 0.9]]];
    const at = { kvHeads: [0], group: 1, queries: [position], entries: [[0, 1]] };
    const made = madeInputs(definition as never, params, now(), at);
    const inputs = Object.fromEntries(
      Object.entries(made).map(([n, v]) => [n, tensor(n === 'newer' || n === 'older' ? [1, 1] : [1], v)]),
    );
    const found = score('belowAverageCount', { attention, ...inputs, ...states }, { history: 8 });
    states = { current: found.current!, before: found.before!, received: found.received! };
    counts.push(found.current!.get(0, 1) + found.before!.get(0, 1));
  }
  assert.ok(Math.max(...counts) <= 8 && counts[19]! >= 4);
  assert.equal(counts[28], 0);
});

test('of keys e1, e1 and e2 the last differs most', () => {
  const found = score('keyDiff', {
    keys: [
      [
        [1, 0],
        [1, 0],
        [0, 1],
      ],
    ],
  }).score;
  assert.deepEqual(list(found), [-0.894, -0.894, -0.447]);
});

test('surprise fades by its decay with each turn, so that an old surprise may fall behind a new one', () => {
  const found = score('surprisal', { nll: [[4, 3]], turnsAgo: [[1, 0]] }, { decay: 0.7 });
  assert.deepEqual(list(found.score), [2.8, 3]);
});

test('too few entries for two parts are worth more the newer they are, but for the sinks', () => {
  const rows = [Array.from({ length: 8 }, (_, t) => [t, 1])];
  assert.deepEqual(
    list(score('lagRelative', { keys: rows, values: rows }, { sinks: 2, lag: 4 }).score),
    [1, 1, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875],
  );
});

test('the planted key that points where queries will look is expected to receive most', () => {
  const D = 8;
  const random = (n: number, salt: number) =>
    Array.from({ length: n }, (_, i) => Array.from({ length: D }, (_, d) => hashedUniform(salt, i, d, 0) - 0.5));
  const queries = random(32, 1).map((row) => row.map((v, d) => v + (d === 0 ? 3 : 0)));
  const keys = random(20, 2);
  keys[13]![0] = 4;
  const turn = Array.from({ length: D }, (_, i) => Array.from({ length: D }, (_, j) => Number(i === j)));
  const found = score(
    'expectedAttention',
    { queries: [queries], keys: [keys], values: [random(20, 3)], turn },
    { values: false },
  );
  const scores = [...found.score!.data];
  assert.equal(scores.indexOf(Math.max(...scores)), 13);
  assert.deepEqual(scores.slice(0, 4), [0, 0, 0, 0]);
});

test('the gradient of CRITIC is the slope that small changes of key and value show', () => {
  const [T, D] = [4, 3];
  const random = (salt: number) => (a: number, b: number) => hashedUniform(salt, a, b, 0) - 0.5;
  const [k, v, q, p] = [random(11), random(12), random(13), random(14)];
  const keys = Array.from({ length: T }, (_, t) => Array.from({ length: D }, (_, d) => k(t, d)));
  const values = Array.from({ length: T }, (_, t) => Array.from({ length: D }, (_, d) => v(t, d)));
  const query = Array.from({ length: D }, (_, d) => q(0, d));
  const before = Array.from({ length: D }, (_, d) => p(0, d));
  const attend = () => {
    const weights = keys.map((row) => Math.exp(row.reduce((s, x, d) => s + x * query[d]!, 0) / Math.sqrt(D)));
    const sum = weights.reduce((a, b) => a + b, 0);
    const row = weights.map((w) => w / sum);
    return { row, output: query.map((_, d) => row.reduce((s, a, t) => s + a * values[t]![d]!, 0)) };
  };
  const loss = () => attend().output.reduce((s, o, d) => s + (o - before[d]!) ** 2, 0) / D;
  const slope = (rows: number[][], t: number, d: number) => {
    const [step, kept] = [1e-5, rows[t]![d]!];
    rows[t]![d] = kept + step;
    const up = loss();
    rows[t]![d] = kept - step;
    const down = loss();
    rows[t]![d] = kept;
    return Math.abs(up - down) / (2 * step);
  };
  const { row, output } = attend();
  const given = { attention: [[row]], queries: [[query]], outputs: [[output]], values: [values], previous: [before] };
  const found = score('outputGradient', given).score!;
  for (let t = 0; t < T; t++) {
    let expected = 0;
    for (let d = 0; d < D; d++) expected += slope(keys, t, d) + slope(values, t, d);
    assert.ok(Math.abs(found.get(0, t) - expected) < 1e-6, `entry ${t}: ${found.get(0, t)} against ${expected}`);
  }
});

test('a score runs in the attention if it needs rows or new tokens, and in the keep pass if it reads what is held', () => {
  const where = (name: keyof typeof operators) => scoredIn(operators[name].definition as unknown as AnyDefinition);
  const inAttention = [
    'accumulatedAttention',
    'noisyAttention',
    'windowAttention',
    'keyNorm',
    'outputGradient',
  ] as const;
  const inKeepPass = ['keyDiff', 'lagRelative', 'leverage', 'expectedAttention', 'surprisal', 'randomScore'] as const;
  assert.ok(inAttention.every((name) => where(name) === 'attention'));
  assert.ok(inKeepPass.every((name) => where(name) === 'keep pass'));
});

test('query head h belongs to key head h / G, not h mod Hkv', () => {
  const attention = [0, 1, 2, 3].map((h) => [[0, 1, 2, 3].map((t) => Number(h === t))]);
  const found = score('accumulatedAttention', { attention, score: tensor([2, 4]) }).score!;
  assert.deepEqual(list(found), [1, 1, 0, 0, 0, 0, 1, 1]);
});

test('columns of the window itself score nothing, whatever their queries look at', () => {
  const attention = [[[0.1, 0.2, 0.7, 0], [0.1, 0.1, 0.1, 0.7]]]; // biome-ignore format: one row a query
  assert.deepEqual(list(score('windowAttention', { attention }, { pool: 'none' }).score), [0.2, 0.3, 0, 0]);
});

test('a score that is the mean over heads is the same for all of them', () => {
  const attention = [[[0.8, 0.2, 0]], [[0.2, 0.8, 0]]];
  const found = score('windowAttention', { attention }, { pool: 'none', heads: 'mean' }, now({ Hkv: 2 })).score;
  assert.deepEqual(list(found), [0.5, 0.5, 0, 0.5, 0.5, 0]);
});
