/** Amounts that changed while a run was written: what the panels say of it, what the form offers, and the cell that does it again. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { lab, methods } from 'kvlab';
import type { Frame } from 'kvlab/frame';
import { methodForms } from '../../kernel/src/engine/record/forms.ts';
import { actNow, amountsAsked, changeCell, changeWords } from '../../lab-extension/src/controls/now.ts';
import { describeEviction } from '../../lab-extension/src/panels/eviction-timeline/describe.ts';
import { encodeEviction } from '../../lab-extension/src/panels/eviction-timeline/encode.ts';
import type { Said } from '../../lab-extension/src/panels/words.ts';
import { changesMade, changesOf, optionsNow } from '../../lab-extension/src/store/changes.ts';
import { type Run, runOf } from '../../lab-extension/src/store/run.ts';
import { tinyPath } from '../engine/tiny-model.ts';

const form = (call: string) => methodForms().find((one) => one.call === call)!;
const h2o = form('methods.h2o');
/** The run as a page has it while it goes on. */
const held = ({ header, buffer }: Frame, state: 'paused' | 'finished' = 'paused'): Run =>
  runOf({ ...header, state }, buffer);

const prompt = 'The captain counts again and writes the number on a slate.';
let changed: Run;
let refused: Run;
let ids: readonly number[];
before(async () => {
  const model = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  const run = await lab.generate(model, prompt, {
    method: methods.h2o({ entries: 24 }),
    maxTokens: 10,
    changes: [{ step: 4, options: { keep: 0.25, recent: 2 } }],
  });
  ids = [...run.ids];
  changed = held(run.snapshot());
  assert.throws(() => run.change({ keep: 3 }), /keep is 3/);
  refused = held(run.snapshot());
  await model.release();
});

const words = ({ caption }: Said) => caption.map(({ text }) => text).join('');
function said(run: Run, step: number): Said {
  const fit = { from: 0, positions: run.texts.length, steps: run.step, columnBin: 1, rowBin: 1 };
  const tones = { fresh: '', sinks: '', recent: '', heavy: '' };
  const theme = { tones } as unknown as Parameters<typeof describeEviction>[5];
  return describeEviction(run, [0, step], encodeEviction(run, step, undefined, fit), undefined, [], theme);
}

test('the eviction timeline says what changed and from when on, in words and as a row above its evictions', () => {
  assert.match(words(said(changed, 8)), /Changed from step 4 on: keep: 0\.25, recent: 2\.$/);
  assert.doesNotMatch(words(said(changed, 2)), /Changed/);
  const { rows } = said(changed, 9).table();
  const at = rows.findIndex(([, , , event]) => event === 'change');
  assert.deepEqual(rows[at], ['4', '', '', 'change', 'keep: 0.25, recent: 2', '']);
  assert.ok(Number(rows[at - 1]![0]) >= 4 && Number(rows[at + 1]![0]) < 4);
});

test('what was refused is told with its reason and changes nothing', () => {
  assert.deepEqual(
    changesOf(refused).map(({ refused }) => refused !== undefined),
    [false, true],
  );
  assert.match(changeWords(refused), /^The run refused keep: 3\. H2O: keep is 3; give a share above 0/);
  assert.equal(changesMade(refused).length, 1);
  assert.deepEqual(optionsNow(refused), optionsNow(changed));
});

test('a new budget takes the place of the old one in the options that hold', () => {
  const { keep, entries, recent } = optionsNow(changed);
  assert.deepEqual([keep, entries, recent], [0.25, undefined, 2]);
});

test('the form says which fields act at once, and asks only for what is not in force', () => {
  const act = actNow(changed, h2o)!;
  assert.deepEqual(
    h2o.fields.map(({ name }) => [name, act.has(name)]),
    [
      ['keep', true],
      ['heavy', true],
      ['recent', true],
      ['profile', false],
    ],
  );
  assert.equal(actNow(changed, form('methods.tova')), undefined, 'a form of another method');
  assert.equal(actNow({ ...changed, state: 'finished' }, h2o), undefined, 'a run that has ended');
  const values = { keep: 0.25, heavy: 0.1, recent: 2, profile: 'authors' };
  assert.deepEqual(amountsAsked(changed, h2o, values), {});
  assert.deepEqual(amountsAsked(changed, h2o, { ...values, keep: 0.5 }), { keep: 0.5 });
});

test('the cell of a change writes the run again with all its changes, and the same tokens', async () => {
  const source = changeCell(changed, { keep: 0.1 });
  assert.match(
    source,
    /changes: \[\{ step: 4, options: \{ keep: 0\.25, recent: 2 \} \}, \{ step: 10, options: \{ keep: 0\.1 \} \}\]/,
  );
  const model = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  const made: number[][] = [];
  const here = {
    load: async () => model,
    generate: async (...[own, text, options]: Parameters<typeof lab.generate>) => {
      made.push([...(await lab.generate(own, text, options)).ids]);
    },
  };
  const body = source.replace(/^import .*\n/, '');
  const AsyncFunction = (async () => undefined).constructor as new (
    ...names: string[]
  ) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction('lab', 'methods', body)(here, methods);
  await model.release();
  assert.deepEqual(made, [ids]);
});

test('changes that nobody can read are left out', () => {
  const letters = new TextEncoder().encode(
    '{"options":{"keep":0.5}}\0no json\0{"options":{"a b":1}}\0{"options":{"keep":[1]}}\0',
  );
  const log = new Map([
    ['change.step', { rowShape: [], rows: 4, data: Uint32Array.of(1, 2, 3, 4) }],
    ['change.said', { rowShape: [], rows: letters.length, data: letters }],
  ]);
  assert.deepEqual(changesOf({ log }), [{ step: 1, options: { keep: 0.5 } }]);
});
