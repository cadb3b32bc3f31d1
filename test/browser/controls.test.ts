/** Controls that act, in the real JupyterLab on the fixture model: hold, step, go on, stop; another method; cells that point and read. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  cellOutputs,
  openRealLab,
  type RealLab,
  reads,
  runCommand,
  settled,
  until,
  writeNotebook,
} from './real-lab.ts';

const tiny = join(import.meta.dirname, '../../fixtures/tiny/tiny.gguf');
const cells = [
  `import { lab, methods } from 'kvlab';
const tiny = await lab.load(${JSON.stringify(tiny)}, { device: 'wasm', threads: 1 });
lab.show();
console.log('loaded');`,
  `const held = await lab.generate(tiny, 'The captain counts again and writes the number on a slate.', {
  method: methods.h2o({ keep: 0.5 }), maxTokens: 700, seed: 3, sampler: { temperature: 1 }, title: 'Held' });
console.log('ended: ' + held.ended + ' after ' + held.ids.length);`,
  `lab.point({ panel: 'eviction-timeline', position: 4, layer: 1, queryHead: 3 });`,
  `console.log('selected ' + JSON.stringify(lab.selection()));`,
];

let lab: RealLab;
before(async () => {
  lab = await openRealLab('controls.ipynb', (folder) => writeNotebook(join(folder, 'controls.ipynb'), cells));
  await runCommand(lab.page, 'application:toggle-left-area');
});
after(() => lab?.close());

const says = async (text: string | RegExp, what: string) =>
  until(
    async () => new RegExp(text).test(await cellOutputs(lab.page)),
    60_000,
    () => what,
  ).catch(async (error: Error) => assert.fail(`${error.message}; the cells say: ${await cellOutputs(lab.page)}`));
const state = (name: string) => lab.page.getAttribute('.kvlab-widget .kvlab-lab', `data-${name}`);
const run = async (cell: number) => {
  await lab.page.evaluate(`(() => {
    const notebook = [...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext);
    notebook.content.activeCellIndex = ${cell};
    // The command ends with the cell, and a cell that is held does not end.
    void window.jupyterapp.commands.execute('notebook:run-cell', { activate: false });
  })()`);
};
const press = (action: string) => lab.page.click(`.kvlab-widget [data-action="${action}"]`);

test('the first panel is on the page within a second of the command', async () => {
  const { page } = lab;
  const ms = (await page.evaluate(`(async () => {
    const start = performance.now();
    const opened = window.jupyterapp.commands.execute('kvlab:open');
    while (!document.querySelector('.kvlab-widget .kvlab-panel[data-drawn]')) await new Promise(requestAnimationFrame);
    await opened;
    return performance.now() - start;
  })()`)) as number;
  console.log(`first panel after ${ms.toFixed(0)} ms`);
  assert.ok(ms < 1000, `${ms} ms`);
});

test('Pause holds a run, Step writes one token, the form changes its budget, Resume goes on, Stop ends it with what was written', async () => {
  const { page } = lab;
  await run(0);
  await says('loaded', 'the model is not loaded');
  // The press comes with the first frame: the fixture model writes hundreds of tokens a second.
  await page.evaluate(`new MutationObserver((_, observer) => {
    const pause = document.querySelector('.kvlab-widget [data-action="pause"]');
    if (!pause || pause.closest('[hidden]')) return;
    observer.disconnect();
    pause.click();
  }).observe(document.querySelector('.kvlab-widget'), { subtree: true, attributes: true, childList: true })`);
  await run(1);
  await until(
    async () => (await state('state')) === 'paused',
    60_000,
    () => 'the run is not held',
  ).catch(async (error: Error) => assert.fail(`${error.message}; the cells say: ${await cellOutputs(page)}`));
  const held = Number(await state('step'));
  await reads(page, '.kvlab-widget .kvlab-state', /paused/);
  for (const more of [1, 2]) {
    await press('step');
    await until(
      async () => Number(await state('step')) === held + more && (await state('state')) === 'paused',
      20_000,
      () => `step ${held + more} is not shown`,
    );
  }
  await changeWhileHeld(held + 2);
  await press('continue');
  await until(
    async () => Number(await state('step')) > held + 8,
    20_000,
    () => 'the run does not go on',
  );
  if ((await state('state')) === 'running') await press('stop');
  await says('ended: (stopped|maxTokens|end token) after', 'the cell does not end');
});

/** Gives the held run a smaller budget by the form, and looks at what the next step does with it. */
async function changeWhileHeld(held: number): Promise<void> {
  const { page } = lab;
  const inForm = (part: string) => page.locator(`.kvlab-widget .kvlab-try ${part}`);
  const field = (name: string) => inForm('.kvlab-field').filter({ has: page.locator('span', { hasText: name }) });
  const entries = async () => Number(/each head keeps (\d+)/.exec((await caption())!)?.[1]);
  const caption = () => page.textContent('.kvlab-widget [data-panel="eviction-timeline"] .kvlab-caption');
  await page.click('.kvlab-widget .kvlab-try-button');
  await field('keep').waitFor();
  assert.equal(await field('keep').locator('.kvlab-moment').textContent(), 'applies now');
  assert.equal(await field('profile').locator('.kvlab-moment').textContent(), 'applies to the next run');
  const before = await entries();
  await field('keep').locator('input').fill('7');
  assert.equal(await inForm('button:has-text("Apply to the run")').isDisabled(), true);
  await field('keep').locator('input').fill('0.25');
  await inForm('button:has-text("Apply to the run")').click();
  await inForm(`[role="status"]:has-text("From step ${held + 1}: keep: 0.25")`).waitFor();
  assert.equal(Number(await state('step')), held, 'nothing was written for it');
  await press('step');
  await until(
    async () => Number(await state('step')) === held + 1 && (await state('state')) === 'paused',
    60_000,
    () => `step ${held + 1} is not shown`,
  );
  await until(
    async () => (await caption())!.includes(`Changed from step ${held + 1} on: keep: 0.25.`),
    60_000,
    () => 'the timeline does not tell of the change',
  );
  assert.ok((await entries()) < before, `${await caption()}, ${before} before`);
  await page.click('.kvlab-widget .kvlab-try-button');
}

test('a cell points at a place in all panels, and another reads back what is pointed at', async () => {
  const { page } = lab;
  await run(2);
  await page.waitForSelector('.kvlab-widget .kvlab-token.kvlab-locked[data-position="4"]');
  await page.click('.kvlab-widget .kvlab-token[data-position="6"]');
  await page.click('.kvlab-widget .kvlab-pin');
  await settled(page);
  await run(3);
  await says('selected \\{', 'the selection is not printed');
  const printed = JSON.parse(/selected (\{.*\})/.exec(await cellOutputs(page))![1]!) as Record<string, unknown>;
  assert.equal(printed.position, 6);
  assert.deepEqual([printed.layer, printed.queryHead, printed.kvHead], [1, 3, 1]);
  assert.equal(printed.step, Number(await state('step')));
});

test('the form knows the library’s methods, and Run inserts a cell that makes the run', async () => {
  const { page } = lab;
  await page.click('.kvlab-widget .kvlab-try-button');
  await page.waitForSelector('.kvlab-widget .kvlab-field');
  const names = (await page.evaluate(
    `[...document.querySelectorAll('.kvlab-widget .kvlab-try select')[0].options].map((option) => option.value)`,
  )) as string[];
  assert.ok(names.includes('methods.h2o') && names.includes('methods.kivi') && names.length > 20);
  await page.selectOption('.kvlab-widget .kvlab-try select >> nth=0', 'methods.streamingLLM');
  assert.match((await page.getAttribute('.kvlab-widget .kvlab-paper', 'href'))!, /arxiv\.org\/abs\/2309\.17453/);
  const field = (name: string) =>
    page.locator('.kvlab-widget .kvlab-field', { hasText: name }).locator('input').first();
  await field('keep').fill('7');
  assert.match((await page.textContent('.kvlab-widget .kvlab-problem'))!, /keep: give at most 1/);
  assert.equal(await page.isDisabled('.kvlab-widget .kvlab-primary'), true);
  await field('keep').fill('0.5');
  assert.match((await page.textContent('.kvlab-widget .kvlab-code'))!, /methods\.streamingLLM\(\{ keep: 0\.5 \}\)/);
  const before = (await page.$$('.jp-Notebook .jp-CodeCell')).length;
  await page.click('.kvlab-widget .kvlab-try button:has-text("Insert cell")');
  await until(
    async () => (await page.$$('.jp-Notebook .jp-CodeCell')).length === before + 1,
    10_000,
    () => 'no cell was inserted',
  );
  const source = (await page.evaluate(`(() => {
    const notebook = [...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext);
    const cell = notebook.content.activeCell.model.sharedModel;
    // The fixture model stands in for the default one, which this machine may not have.
    cell.setSource(cell.getSource().replace('await lab.load()', 'tiny').replace(/maxTokens: \\d+/, 'maxTokens: 5'));
    return cell.getSource();
  })()`)) as string;
  assert.match(source, /streamingLLM/);
  await runCommand(page, 'notebook:run-cell', { activate: false });
  await until(
    async () => /StreamingLLM/.test((await page.textContent('.kvlab-widget .kvlab-run-chooser')) ?? ''),
    30_000,
    () => 'the new run is not shown',
  ).catch(async (error: Error) => assert.fail(`${error.message}; the cells say: ${await cellOutputs(page)}`));
});

test('nothing left this machine, and nothing failed in the page', () => {
  assert.deepEqual(lab.outside, []);
  assert.deepEqual(lab.errors, []);
});
