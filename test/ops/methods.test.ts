import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type AnyDefinition, type MethodFactory, methods, operators, scoredIn, tensor } from '@kvlab/ops';
import { root } from '../check/sources.ts';

const lists = methods as unknown as Record<string, MethodFactory<object>>;
const ops = (folder: string) => join(root, 'ops', folder);

test('every method file stands in the list', () => {
  const files = readdirSync(ops('methods')).filter((name) => name.endsWith('.ts'));
  const names = files.map(
    (file) => /= method\(\s*'([^']+)'/.exec(readFileSync(join(ops('methods'), file), 'utf8'))?.[1],
  );
  assert.deepEqual(
    names.sort(),
    Object.values(lists)
      .map(({ methodName }) => methodName)
      .sort(),
  );
});

for (const [name, factory] of Object.entries(lists))
  test(`${name} is made with its defaults and shows eight slots`, () => {
    const { slots, zones, setting } = factory();
    assert.equal(slots.length, 8);
    assert.ok(slots.every(({ text }) => text.length > 0));
    assert.equal(zones[0], 'fresh');
    assert.equal(setting, '');
  });

/** Methods that keep every token, most of them in few bits. */
const encoding = [
  'gear',
  'zipCache',
  'mikv',
  'bipolarInt',
  'kvQuant',
  'rotateKV',
  'bfpOutliers',
  'flashAttention',
  'flashDecodingPlusPlus',
];

test('every selection method understands keep, and its amounts meet it', () => {
  // GemFilter's total is the length of the prompt that its pass leaves: test/engine/passes.test.ts. A gate is fitted to its
  // share: test/methods/attention-gate.
  const others = [
    'full',
    'kivi',
    'razorAttention',
    'duoAttention',
    'gemFilter',
    'specPC',
    'attentionGate',
    'timTree',
    'vAttention',
    'd2o',
    'quest',
    'infLLM',
  ].concat(encoding);
  const selecting = Object.entries(methods).filter(([name]) => !others.includes(name));
  for (const [name, factory] of selecting) {
    const method = (factory as unknown as MethodFactory<object>)({ keep: 0.5 });
    const { select, allocate } = method.declaration;
    const free = select.keys.filter(({ rule }) => rule.amount === undefined).map(({ zone }) => zone);
    const reserved = select.keys.reduce((n, { rule }) => n + (rule.amount ?? 0), 0);
    const request = { layers: 4, kvHeads: 2, promptLength: 400, bytesPerEntry: 512, zones: free, reserved };
    const amounts = allocate.allocate(request);
    const total = free.reduce((n, zone) => n + amounts.get(zone)!.reduce((a, b) => a + b, 0), 0) + 8 * reserved;
    assert.equal(total, 8 * 200, `${name} allows ${total / 8} entries a head of 200`);
  }
});

test('a budget of head classes counts what retrieval heads hold, and is refused where they alone hold more', () => {
  for (const name of ['razorAttention', 'duoAttention'] as const) {
    const allocate = (keep: number) => {
      const allocation = methods[name]({ keep, sinks: 4 }).declaration.allocate;
      const classes = tensor([4, 2], [1, 0, 0, 0, 0, 1, 0, 0]);
      const fitted = new Map([[`${allocation.fits![0]!.name}/retrieval`, classes]]);
      const sizes = { layers: 4, kvHeads: 2, promptLength: 401, bytesPerEntry: 512, reserved: 0 };
      return allocation.allocate({ ...sizes, zones: ['sinks', 'recent'], fitted });
    };
    const streaming = [...allocate(0.5).get('recent')!].filter(Number.isFinite).filter((n) => n > 0);
    assert.equal(streaming.reduce((a, b) => a + b, 0) + 6 * 4 + 2 * 401, 8 * 201);
    assert.throws(() => allocate(0.25), /2 of 8 heads hold the whole prompt of 401; raise the budget/);
  }
});

test('an operator stands in the file of its name, under its kind', () => {
  for (const { definition } of Object.values(operators)) {
    const { name, kind } = definition as unknown as AnyDefinition;
    assert.match(readFileSync(join(ops(kind), `${name}.ts`), 'utf8'), new RegExp(`name: '${name}'`));
  }
});

test('every score of a method is an operator of the list', () => {
  const known = new Set(Object.values(operators).map(({ definition }) => definition as unknown as AnyDefinition));
  for (const [name, factory] of Object.entries(lists)) {
    const { score } = factory().declaration;
    if (!score.neutral) assert.ok(known.has(score.operator), `${name}: ${score.operator.name} is not in the list`);
  }
});

test('what a score in the keep pass reads is among what the engine has there', () => {
  const there = ['scores', 'weights', 'keys', 'values', 'position', 'queries', 'nll', 'turnsAgo'];
  for (const [name, factory] of Object.entries(methods)) {
    const { operator, neutral } = (factory as unknown as MethodFactory<object>)().declaration.score;
    if (neutral || scoredIn(operator) !== 'keep pass') continue;
    const found = Object.keys(operator.inputs).filter((input) => !operator.made?.[input]);
    assert.deepEqual(
      found.filter((input) => !there.includes(input)),
      [],
      name,
    );
  }
});
