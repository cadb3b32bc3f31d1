/** Notebook 7 with our kernel and extension: the lab stands beside the notebook and draws the runs of its cells. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cellOutputs, openRealLab, pictures, type RealLab, runCommand, until, writeNotebook } from './real-lab.ts';

let lab: RealLab;

before(async () => {
  const tiny = join(import.meta.dirname, '../../fixtures/tiny/tiny.gguf');
  lab = await openRealLab(
    'first.ipynb',
    (folder) =>
      writeNotebook(join(folder, 'first.ipynb'), [
        `import { lab, methods } from 'kvlab';
const model = await lab.load(${JSON.stringify(tiny)});
const run = await lab.generate(model, 'a b c d e f g a b c d e f g', { method: methods.h2o({ entries: 8 }), maxTokens: 24 });
lab.show();
console.log('tokens ' + (await run.table('tokens')).numRows());`,
      ]),
    [],
    'notebook',
  );
});
after(() => lab?.close());

test('a cell runs in Notebook 7, and the lab opens beside it with the tokens of its run', async () => {
  const { page } = lab;
  await runCommand(page, 'notebook:run-all-cells');
  await until(
    async () => /tokens \d+/.test(await cellOutputs(page)),
    120_000,
    () => 'the cell does not end',
  );
  const tokens = Number(/tokens (\d+)/.exec(await cellOutputs(page))![1]);
  const strip = `document.querySelector('.kvlab-widget [data-panel="token-strip"]')`;
  await until(
    () =>
      page.evaluate(`Number(${strip}?.dataset.tokens) === ${tokens} && ${strip}.getBoundingClientRect().width > 300`),
    30_000,
    () => 'the lab does not show the run',
  ).finally(() => page.screenshot({ path: join(pictures, 'notebook-7.png') }));
  assert.ok(await page.$('.lm-MenuBar-item:has-text("kvlab")'), 'the menu kvlab is there');
  await runCommand(page, 'kvlab:depth', { depth: 'student' });
  assert.equal(await page.getAttribute('.kvlab-widget .kvlab-lab', 'data-depth'), 'student');
  // Notebook's own code may complain of its settings; ours may not.
  assert.deepEqual(
    lab.errors.filter((error) => /extensions\/@kvlab/.test(error)),
    [],
  );
  assert.deepEqual(lab.outside, []);
});
