/** Experiments of the form as cells: what they say, and that they run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lab, method, methods } from 'kvlab';
import { methodForms } from '../../kernel/src/engine/record/forms.ts';
import { experimentCell, fieldError, methodCall } from '../../lab-extension/src/controls/experiment.ts';
import { tinyPath } from '../engine/tiny-model.ts';
import { recordedSnapshot } from './replayed.ts';

const forms = methodForms();
const form = (call: string) => forms.find((one) => one.call === call)!;
const { header } = recordedSnapshot('h2o');
const info = header.info!;
const plain = { values: {}, maxTokens: 3, newlineFirst: false, withoutFirst: false };

test('a call names only what differs from the defaults', () => {
  assert.equal(methodCall(form('methods.h2o'), { keep: 0.3, heavy: 0.1, recent: '' }), 'methods.h2o({ keep: 0.3 })');
  assert.equal(methodCall(form('methods.kivi'), { bits: 2 }), 'methods.kivi()');
  assert.equal(methodCall(form('methods.full'), {}), 'methods.full()');
});

test('values out of their range are named with what to give', () => {
  const bits = form('methods.kivi').fields.find(({ name }) => name === 'bits')!;
  for (const [value, complaint] of [
    [2, ''],
    ['', ''],
    [9, 'bits: give at most 8'],
    [0, 'bits: give at least 1'],
    [2.5, 'bits: give a whole number'],
    ['two', 'bits: give a number'],
  ] as const)
    assert.equal(fieldError(bits, value), complaint);
});

/** Runs a cell as the kernel would, but on the fixture model. */
async function run(source: string): Promise<Awaited<ReturnType<typeof lab.generate>>> {
  const model = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  let made: Awaited<ReturnType<typeof lab.generate>> | undefined;
  const here = {
    ...lab,
    load: async () => model,
    generate: async (...given: Parameters<typeof lab.generate>) => (made = await lab.generate(...given)),
    show: () => undefined,
    point: () => undefined,
  };
  const body = source.replace(/^import .*\n/, '');
  const AsyncFunction = (async () => undefined).constructor as new (
    ...names: string[]
  ) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction('lab', 'method', 'methods', body)(here, method, methods);
  await model.release();
  return made!;
}

test('a cell runs the chosen method on the run’s own prompt', async () => {
  const source = experimentCell(info, header.texts, { ...plain, form: form('methods.h2o'), values: { keep: 0.25 } });
  assert.match(source, /^import \{ lab, methods \} from 'kvlab';/);
  const made = await run(source);
  assert.equal(made.method.setting, 'keep 25 %');
  assert.equal(made.ids.length, 3);
});

test('a newline comes first, the first token is left out', () => {
  const source = experimentCell(info, header.texts, {
    ...plain,
    form: form('methods.full'),
    newlineFirst: true,
    withoutFirst: true,
  });
  const prompt = JSON.parse(/const prompt = (".*");/.exec(source)![1]!) as string;
  const words = header.texts.slice(1, info.promptLength).map(({ text }) => text);
  assert.equal(prompt, `\n${words.join('')}`);
  assert.match(source, /newline first, first token left out/);
});

test('a head that keeps everything does so, and the others keep what the method lets them', async () => {
  const source = experimentCell(info, header.texts, {
    ...plain,
    form: form('methods.h2o'),
    values: { keep: 0.25 },
    wholeHead: { layer: 1, kvHead: 2 },
  });
  const made = await run(source);
  const fed = made.promptIds.length + made.ids.length - 1;
  assert.equal(made.kept(1, 2).length, fed);
  assert.ok(made.kept(1, 1).length < fed / 2);
});
