/** Profiles: the settings of the paper, of its authors' code or of kvpress, as one option. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entriesOf, fallingAmounts, type MethodFactory, methods, type When } from '@kvlab/ops';

const lists = Object.entries(methods) as unknown as [string, MethodFactory<{ profile?: string; when?: When[] }>][];
const withProfiles = lists.filter(([, { about }]) => about.profiles);

test('a method without a profile named is the paper’s', () => {
  assert.deepEqual(methods.snapKV().options, methods.snapKV({ profile: 'paper' }).options);
  assert.equal(methods.snapKV().options['kernel'], 7);
});

test('a profile sets its table of options, and an option that is given stands above it', () => {
  const { window, kernel, pool, reduce, rounding } = methods.snapKV({ profile: 'kvpress', kernel: 9 }).options;
  assert.deepEqual([window, kernel, pool, reduce, rounding], [64, 9, 'mean', 'mean', 'down']);
  assert.equal(methods.snapKV({ profile: 'authors' }).options['entries'], 2048);
  assert.equal(methods.streamingLLM({ profile: 'kvpress' }).declaration.attend.ruleOf('recent').name, 'absolute');
});

test('what authors run is not always what their paper says: residuals, windows, blocks and how often is pruned', () => {
  assert.equal(methods.kivi({ profile: 'authors' }).options['residual'], 32);
  assert.equal(methods.streamingLLM({ profile: 'authors' }).options['recent'], 2000);
  assert.deepEqual(methods.keyformer({ profile: 'authors' }).when, ['prompt', { every: 8 }]);
  const { block, init, local, blocks, pool } = methods.infLLM({ profile: 'authors' }).options;
  assert.deepEqual([block, init, local, blocks, pool], [128, 128, 4096, 16, 32]);
});

test('a budget takes the place of a profile’s amount too', () => {
  assert.equal(methods.snapKV({ profile: 'authors', keep: 0.5 }).options['entries'], undefined);
});

test('a profile that a method does not have is refused with those it has', () => {
  assert.throws(
    () => methods.tova({ profile: 'authors' as 'paper' }),
    /TOVA: there is no profile "authors"; there is paper, kvpress/,
  );
  assert.throws(() => methods.h2o({ profile: 'toString' as 'paper' }), /there is no profile "toString"/);
});

test('a method that no source sets otherwise has no option profile', () => {
  assert.throws(
    () => methods.full({ profile: 'kvpress' } as object),
    /Full: there is no option profile|full: there is/i,
  );
});

for (const [name, factory] of withProfiles)
  test(`every profile of ${name} names options that it has, and changes at least one`, () => {
    const standard = factory().options as Record<string, unknown>;
    for (const [profile, table] of Object.entries(factory.about.profiles as unknown as Record<string, object>)) {
      const found = factory({ profile }).options as Record<string, unknown>;
      for (const option of Object.keys(table)) assert.ok(option in factory.defaults, `${profile} sets ${option}`);
      assert.ok(
        Object.keys(table).some((option) => JSON.stringify(found[option]) !== JSON.stringify(standard[option])),
        `${profile} is the paper's`,
      );
    }
  });

test('presses act once, when the prompt is read', () => {
  const presses = withProfiles.filter(([, { about }]) => 'kvpress' in (about.profiles ?? {}));
  assert.ok(presses.length >= 15, `${presses.length} methods have a profile kvpress`);
  for (const [name, factory] of presses) assert.deepEqual(factory({ profile: 'kvpress' }).when, ['prompt'], name);
});

test('kvpress cuts shares down in floating point: .1 of 1,000 is 99, .1 of 100 is 9, and never 0', () => {
  const kept = (length: number, share: number) => entriesOf(share, length, 'down');
  assert.deepEqual([kept(1000, 0.1), kept(100, 0.1), kept(10, 0.2), kept(10, 0.1)], [99, 9, 1, 1]);
  assert.deepEqual([entriesOf(0.1, 1000), entriesOf(0.2, 10)], [100, 2]);
});

test('kvpress rounds each layer of a pyramid by itself, half to even', () => {
  const amounts = fallingAmounts(512, 64, 30, 1024, 20, 'each layer');
  assert.deepEqual([amounts[0], amounts[29]], [960, 64]);
  const sum = amounts.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum - 512 * 30) <= 15);
  assert.deepEqual(fallingAmounts(40.5, 32, 2, 1000, 20, 'each layer'), [40, 40]);
});

test('whole steps behind an added window overspend: 133.5 of 128 entries in 32 layers, 140.5 in 30', () => {
  const mean = (layers: number) => {
    const amounts = fallingAmounts(128, 8, layers, 8192, 20, 'whole step');
    return amounts.reduce((a, b) => a + b, 0) / layers;
  };
  assert.deepEqual([mean(32), mean(30)], [133.5, 140.5]);
  assert.deepEqual(fallingAmounts(128, 8, 4, 200, 20, 'whole step'), [128, 128, 128, 128]);
});

test('a profile is shown among the settings of a run', () => {
  assert.equal(methods.snapKV({ profile: 'kvpress', keep: 0.2 }).setting, 'profile kvpress, keep 20 %');
});
