/** A kernel that dies and that Jupyter does not start again: every panel says so and keeps its picture. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  cellOutputs,
  openRealLab,
  pictures,
  type RealLab,
  reads,
  runCommand,
  settled,
  until,
  writeNotebook,
} from './real-lab.ts';

const tiny = join(import.meta.dirname, '../../fixtures/tiny/tiny.gguf');
const write = (title: string) => `{
  const { lab, methods } = await import('kvlab');
  const model = await lab.load(${JSON.stringify(tiny)}, { device: 'wasm', threads: 1 });
  await lab.generate(model, 'a b c d e f g a b c d e f g', { method: methods.h2o({ entries: 8 }), maxTokens: 12, title: '${title}' });
  console.log('${title} by process ' + process.ppid);
}`;

let lab: RealLab;
before(async () => {
  lab = await openRealLab(
    'given-up.ipynb',
    (folder) => writeNotebook(join(folder, 'given-up.ipynb'), [write('first'), write('second')]),
    [],
    'lab',
    // The first death is one more than Jupyter puts up with.
    ['--KernelRestarter.restart_limit=0'],
  );
  await runCommand(lab.page, 'application:toggle-left-area');
});
after(() => lab?.close());

/** Runs a cell, and waits for what it prints at its end. Gives the process of its kernel. */
async function runCell(index: number, title: string): Promise<number> {
  const { page } = lab;
  await page.evaluate(`(() => { const panel = [...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext);
    panel.content.activeCellIndex = ${index}; panel.content.deselectAll();
    void window.jupyterapp.commands.execute('notebook:run-cell', { activate: false }); })()`);
  const printed = new RegExp(`${title} by process (\\d+)`);
  await until(
    async () => printed.test(await cellOutputs(page)),
    120_000,
    () => `the cell ${title} does not end`,
  ).catch(async (error: Error) => assert.fail(`${error.message}; the cells say: ${await cellOutputs(page)}`));
  return Number(printed.exec(await cellOutputs(page))![1]);
}

const subtitles = () =>
  lab.page.evaluate(`[...document.querySelectorAll('.kvlab-widget .kvlab-panel')]
    .filter((p) => p.dataset.drawn && p.offsetParent).map((p) => p.querySelector('.kvlab-subtitle').textContent)`) as Promise<
    string[]
  >;
const tokens = () =>
  lab.page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-token').length`) as Promise<number>;
const shows = (title: string) =>
  until(
    () =>
      lab.page.evaluate(
        `[document.querySelector('.kvlab-widget .kvlab-run-name'), document.querySelector('.kvlab-widget .kvlab-run-chooser')?.selectedOptions?.[0]]
          .some((one) => one && one.textContent.startsWith('${title}'))`,
      ),
    60_000,
    () => `the lab does not show ${title}`,
  );

test('every panel names the death of a kernel that is not started again, and keeps the last picture', async () => {
  const { page } = lab;
  await runCommand(page, 'kvlab:open');
  const kernel = await runCell(0, 'first');
  await shows('first');
  await settled(page);
  const before = await tokens();
  assert.ok(before > 20);
  process.kill(kernel, 'SIGKILL');
  await until(
    async () => {
      const said = await subtitles();
      return said.length >= 3 && said.every((one) => /^kernel died/.test(one));
    },
    90_000,
    () => 'not every panel says that the kernel died',
  ).catch(async (error: Error) => assert.fail(`${error.message}: ${JSON.stringify(await subtitles())}`));
  await reads(
    page,
    '.kvlab-widget .kvlab-state',
    /the kernel died; choose it again with Change Kernel in the menu Kernel; the last picture is kept/,
  );
  assert.equal(await tokens(), before);
  await page.screenshot({ path: join(pictures, 'recovery-given-up.png') });
});

test('the kernel that is chosen in its place fills the panels again', async () => {
  await lab.page.evaluate(
    `void [...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext).sessionContext.changeKernel({ name: 'kvlab' })`,
  );
  await until(
    async () => (await subtitles()).every((one) => !/^kernel died/.test(one)),
    90_000,
    () => 'a panel still says that the kernel died',
  );
  await runCell(1, 'second');
  await shows('second');
});

test('no error came from our files', () => {
  assert.deepEqual(
    lab.errors.filter((error) => /kvlab/.test(error)),
    [],
  );
});
