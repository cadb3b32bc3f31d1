/** What a run may change of its method while it writes: amounts and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Method, type MethodFactory, methods } from '@kvlab/ops';

type Factory = MethodFactory<Record<string, unknown>>;
const all = Object.entries(methods as unknown as Record<string, Factory>);

/** Everything that is built once for a run: how rows are scored, stored, placed, read. */
const built = (method: Method) => ({
  zones: method.zones,
  when: method.when,
  rules: method.declaration.select.keys.map(({ zone, rule }) => [zone, rule.name]),
  encodings: method.zones.map((zone) => [
    method.encodingOf(zone, 'keys').title,
    method.encodingOf(zone, 'values').title,
  ]),
  slots: method.slots.filter(({ slot }) => slot !== 'allocate' && slot !== 'select'),
  score: [method.declaration.score.operator.name, method.declaration.score.params],
});

for (const [name, factory] of all) {
  const method = factory();
  if (!method.changeable.length) continue;
  test(`${name}: ${method.changeable.join(', ')} are amounts, and changing them leaves all that is built for a run as it is`, () => {
    for (const option of method.changeable) {
      const before = method.options[option];
      const value =
        option === 'keep'
          ? 0.5
          : option === 'bytes'
            ? 1e6
            : typeof before === 'number' && before < 1
              ? before / 2 + 0.01
              : 40;
      const changed = method.change({ [option]: value });
      assert.equal(changed.options[option], value);
      assert.deepEqual(built(changed), built(method), option);
    }
  });
}

test('methods that evict while they write can change; those that act once, store or read cannot', () => {
  const can = all.filter(([, factory]) => factory().changeable.length).map(([name]) => name);
  for (const name of ['h2o', 'streamingLLM', 'tova', 'd2o', 'sirLLM', 'keyDiff']) assert.ok(can.includes(name), name);
  for (const name of ['full', 'snapKV', 'kivi', 'quest', 'gemFilter', 'duoAttention', 'infLLM', 'timTree'])
    assert.ok(!can.includes(name), name);
  assert.deepEqual(methods.h2o({ when: ['prompt'] }).changeable, []);
  assert.ok(methods.snapKV({ when: ['prompt', 'step'] }).changeable.includes('entries'));
});

test('a budget takes the place of one of another kind, and options that were given stay', () => {
  const method = methods.h2o({ keep: 0.2, recent: 8 }).change({ entries: 32 });
  assert.deepEqual([method.options.keep, method.options.entries, method.options.recent], [undefined, 32, 8]);
  assert.equal(method.change({ recent: 4 }).setting, 'recent 4, entries 32');
});

const refused: readonly [what: string, change: () => unknown, says: RegExp][] = [
  ['an option that is no amount', () => methods.h2o().change({ profile: 'authors' }), /H2O: profile cannot change while a run writes; change keep, entries, bytes, heavy, recent, or start another run/], // biome-ignore format: one line
  ['an option of a method that acts once', () => methods.snapKV().change({ entries: 64 }), /SnapKV: entries cannot change while a run writes; none of its options can: start another run/], // biome-ignore format: one line
  ['a share above 1', () => methods.h2o().change({ keep: 7 }), /H2O: keep is 7; give a share above 0 and up to 1/],
  ['two budgets at once', () => methods.h2o().change({ keep: 0.5, entries: 3 }), /say the same thing/],
  ['words for a number', () => methods.streamingLLM().change({ recent: 'many' }), /StreamingLLM: recent is "many"; give a number/], // biome-ignore format: one line
];
for (const [what, change, says] of refused) test(`refuses ${what}`, () => assert.throws(change, says));
