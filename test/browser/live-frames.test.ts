/** Frames that a cell publishes are drawn while it runs, in the real JupyterLab, through the real kernel. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packedFrames } from '../panels/packed-frames.ts';
import {
  cellOutputs,
  openRealLab,
  type RealLab,
  runCommand,
  runPanels,
  settled,
  takePictures,
  until,
  writeNotebook,
} from './real-lab.ts';

/** A cell that reads frames from a file and publishes one every 30 ms, as an engine would. */
const publish = (file: string) => `
import { readFileSync } from 'node:fs';
{
  const host = Reflect.get(globalThis, Symbol.for('kvlab.host'));
  const bytes = readFileSync('${file}');
  for (let at = 0; at < bytes.length; ) {
    const header = bytes.readUInt32LE(at), size = bytes.readUInt32LE(at + 4);
    const from = at + 8 + header;
    host.publish({
      header: JSON.parse(bytes.toString('utf8', at + 8, from)),
      buffer: bytes.buffer.slice(bytes.byteOffset + from, bytes.byteOffset + from + size),
    });
    at = from + size;
    await new Promise((next) => setTimeout(next, 30));
  }
  console.log('published');
}`;

const show = `Reflect.get(globalThis, Symbol.for('kvlab.host')).show('memory-over-time');`;

let lab: RealLab;

before(async () => {
  lab = await openRealLab('live.ipynb', (folder) => {
    writeNotebook(join(folder, 'live.ipynb'), [publish('h2o.frames'), publish('kivi.frames'), show]);
    writeFileSync(join(folder, 'h2o.frames'), packedFrames({ method: 'h2o', steps: 80 }));
    writeFileSync(join(folder, 'kivi.frames'), packedFrames({ method: 'kivi', steps: 80 }));
  });
});
after(() => lab?.close());

test('the toolbar button of the notebook opens the lab to its right, with panels that say what they wait for', async () => {
  const { page } = lab;
  await page.click('.jp-NotebookPanel-toolbar [data-command="kvlab:open"]');
  await page.waitForSelector('.kvlab-widget .kvlab-lab');
  await settled(page);
  const notebook = await (await page.$('.jp-NotebookPanel'))!.boundingBox();
  const opened = await (await page.$('.kvlab-widget .kvlab-lab'))!.boundingBox();
  assert.ok(opened!.x >= notebook!.x + notebook!.width - 1, 'the lab is right of the notebook');
  for (const panel of runPanels) {
    await (await page.$(`.kvlab-widget [data-panel="${panel}"]`))!.scrollIntoViewIfNeeded();
    await settled(page);
    const text = await page.textContent(`.kvlab-widget [data-panel="${panel}"]`);
    assert.match(text ?? '', /No run yet/, panel);
  }
  await page.evaluate(`document.querySelector('.kvlab-widget .kvlab-lab').scrollTop = 0`);
});

test('at least ten different frames are drawn before the cell ends', async () => {
  const { page } = lab;
  await page.evaluate(`(() => {
    const lab = document.querySelector('.kvlab-widget .kvlab-lab');
    window.drawnWhileBusy = new Set();
    new MutationObserver(() => {
      const prompt = document.querySelector('.jp-Notebook .jp-CodeCell .jp-InputPrompt').textContent;
      if (prompt.includes('*')) window.drawnWhileBusy.add(lab.dataset.step);
    }).observe(lab, { attributes: true, attributeFilter: ['data-frames-drawn'] });
  })()`);
  await runCommand(page, 'notebook:run-cell', { activate: false });
  await until(
    () => page.evaluate(`document.querySelector('.kvlab-widget .kvlab-lab').dataset.state === 'finished'`),
    60_000,
    () => 'the run does not end on the page',
  ).catch(async (error: Error) => assert.fail(`${error.message}; the cells say: ${await cellOutputs(page)}`));
  const steps = (await page.evaluate('[...window.drawnWhileBusy].map(Number)')) as number[];
  assert.ok(steps.length >= 10, `${steps.length} frames were drawn while the cell ran: ${steps}`);
});

test('what the panels drew are the numbers of the run', async () => {
  const { page } = lab;
  await settled(page);
  const facts = (await page.evaluate(
    `Object.fromEntries([...document.querySelectorAll('.kvlab-widget .kvlab-panel')].map((p) => [p.dataset.panel, { ...p.dataset }]))`,
  )) as Record<string, Record<string, string>>;
  const shown = await page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-token').length`);
  assert.equal(Number(facts['token-strip']!.tokens), shown);
  assert.match(
    (await page.textContent('.kvlab-widget [data-panel="token-strip"] .kvlab-caption'))!,
    new RegExp(`^${shown} tokens`),
  );
  assert.ok(Number(facts['attention-sinks']!.sinkShare) > 0);
  assert.ok(Number(facts['memory-over-time']!.bytesHeld) > Number(facts['memory-over-time']!.bytesClaimed));
});

test('a click on a word marks that token in all panels, Escape frees it', async () => {
  const { page } = lab;
  await page.click('.kvlab-widget .kvlab-token[data-position="20"]');
  await settled(page);
  assert.ok(await page.$('.kvlab-widget .kvlab-token.kvlab-locked[data-position="20"]'));
  assert.match(
    (await page.textContent('.kvlab-widget [data-panel="eviction-timeline"] .kvlab-caption'))!,
    /^Token 20 /,
  );
  await page.focus('.kvlab-widget [data-panel="eviction-timeline"] .kvlab-drawing');
  await page.keyboard.press('Escape');
  await page.mouse.move(5, 5);
  await settled(page);
  assert.equal(await page.$('.kvlab-widget .kvlab-token.kvlab-locked'), null);
});

test('pinning a step moves every panel that has data for it, and live takes them back', async () => {
  const { page } = lab;
  await page.click('.kvlab-widget .kvlab-pin');
  await page.focus('.kvlab-widget [data-panel="memory-over-time"] .kvlab-drawing');
  for (let i = 0; i < 5; i++) await page.keyboard.press('[');
  await settled(page);
  for (const panel of ['token-strip', 'attention-sinks', 'eviction-timeline', 'memory-over-time'])
    assert.equal(await page.getAttribute(`.kvlab-widget [data-panel="${panel}"]`, 'data-step'), '75', panel);
  await page.click('.kvlab-widget .kvlab-live');
  await settled(page);
  assert.equal(await page.getAttribute('.kvlab-widget [data-panel="token-strip"]', 'data-step'), '80');
});

test('a second run is shown when it starts, and the first can be chosen again', async () => {
  const { page } = lab;
  await runCommand(page, 'notebook:move-cursor-down');
  await runCommand(page, 'notebook:run-cell', { activate: false });
  await until(
    () =>
      page.evaluate(
        `document.querySelector('.kvlab-widget .kvlab-lab').dataset.run === 'kivi' && document.querySelector('.kvlab-widget .kvlab-lab').dataset.state === 'finished'`,
      ),
    60_000,
    () => 'the second run does not end on the page',
  );
  assert.equal(await page.evaluate(`document.querySelector('.kvlab-widget .kvlab-run-chooser').options.length`), 2);
});

test('every panel is drawn in light and dark, as pictures to look at', async () => {
  const { page } = lab;
  await runCommand(page, 'application:toggle-left-area');
  for (const run of ['kivi', 'h2o']) {
    await page.selectOption('.kvlab-widget .kvlab-run-chooser', run);
    for (const theme of ['light', 'dark'] as const)
      for (const path of await takePictures(page, theme, runPanels, run)) assert.ok(existsSync(path));
  }
});

test('the lab comes back after a reload and gets the runs again', async () => {
  const { page } = lab;
  await runCommand(page, 'docmanager:save');
  await page.reload();
  await page.waitForSelector('.jp-Notebook', { timeout: 60_000 });
  await page.waitForSelector('.kvlab-widget .kvlab-lab', { timeout: 60_000 });
  await until(
    () => page.evaluate(`document.querySelector('.kvlab-widget .kvlab-lab').dataset.state === 'finished'`),
    60_000,
    () => 'the run does not come back',
  );
  await until(
    () => page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-token').length > 100`),
    20_000,
    () => 'the tokens do not come back',
  );
});

test('a cell opens the lab that was closed, and the runs are there again', async () => {
  const { page } = lab;
  await page.evaluate(`[...window.jupyterapp.shell.widgets('main')].find((w) => w.id.startsWith('kvlab-')).close()`);
  await page.waitForSelector('.kvlab-widget .kvlab-lab', { state: 'detached' });
  await page.click('.jp-Notebook .jp-CodeCell:last-child .jp-InputArea-editor');
  await runCommand(page, 'notebook:run-cell');
  await page.waitForSelector('.kvlab-widget .kvlab-lab', { timeout: 20_000 });
  await until(
    () => page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-token').length > 100`),
    20_000,
    () => 'the runs do not come back',
  );
});

test('a restarted kernel leaves the last picture, marked as old', async () => {
  const { page } = lab;
  await page.evaluate(`new MutationObserver(() => {
    const state = document.querySelector('.kvlab-widget .kvlab-state').textContent;
    if (/last picture is kept/.test(state)) window.saidOld = state;
  }).observe(document.querySelector('.kvlab-widget .kvlab-header'), { subtree: true, childList: true, characterData: true })`);
  await page.evaluate(`[...window.jupyterapp.shell.widgets('main')]
    .find((w) => w.sessionContext).sessionContext.session.kernel.restart()`);
  await until(
    () => page.evaluate('window.saidOld'),
    20_000,
    () => 'the lab does not say that its picture is old',
  );
  assert.ok(((await page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-token').length`)) as number) > 100);
});

test('no request left this machine, and nothing failed in the page', () => {
  assert.deepEqual(lab.outside, []);
  // JupyterLab 4.6 asks for a subshell per comm target and gives up the question when the kernel restarts.
  assert.deepEqual(
    lab.errors.filter((error) => !/create_subshell_request/.test(error)),
    [],
  );
});
