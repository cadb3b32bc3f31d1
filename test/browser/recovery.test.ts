/** What goes wrong between page and kernel: every panel says what it shows then, and comes back by itself. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { wireTo } from './cut-wire.ts';
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
const start = `import { lab, methods } from 'kvlab';
const model = await lab.load(${JSON.stringify(tiny)});
console.log('kernel process ' + process.ppid);`;

/** A run that waits in its middle, with its process blocked, until the gate of its name is opened. */
const run = (title: string, tokens: number, gate = '') => `{
  const { existsSync } = await import('node:fs');
  const pause = new Int32Array(new SharedArrayBuffer(4));
  await lab.generate(model, 'a b c d e f g a b c d e f g', {
    method: methods.h2o({ entries: 8 }), maxTokens: ${tokens}, title: '${title}',
    onToken: ({ index }) => {
      while (${gate !== ''} && index === ${Math.floor(tokens / 2)} && !existsSync(${JSON.stringify(gate)})) Atomics.wait(pause, 0, 0, 50);
    },
  });
  console.log('done ${title}');
}`;
const openGate = (title: string) => writeFileSync(join(lab.folder, `gate-${title}`), '');
const pointBack = `console.log('selected ' + JSON.stringify(lab.selection()));`;

let lab: RealLab;
before(async () => {
  lab = await openRealLab('recovery.ipynb', (folder) =>
    writeNotebook(join(folder, 'recovery.ipynb'), [
      start,
      run('first', 12),
      run('slow', 60, join(folder, 'gate-slow')),
      run('other', 12),
      run('longest', 80, join(folder, 'gate-longest')),
      pointBack,
    ]),
  );
});
after(() => lab?.close());

/** Runs one cell, and waits for its end unless told not to. */
async function runCell(page: Page, index: number, patience = 60_000): Promise<void> {
  await page.evaluate(`(() => { const panel = [...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext);
    window.jupyterapp.shell.activateById(panel.id);
    panel.content.activeCellIndex = ${index}; panel.content.deselectAll(); })()`);
  await page.evaluate(`void window.jupyterapp.commands.execute('notebook:run-cell')`);
  if (patience > 0)
    await until(
      () =>
        page.evaluate(
          `/^\\[\\d+\\]:$/.test(document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputArea-prompt')[${index}].textContent.trim())`,
        ),
      patience,
      () => `cell ${index} does not end`,
    ).catch(async (error: Error) => assert.fail(`${error.message}; the cells say: ${await cellOutputs(page)}`));
}

const text = (page: Page, selector: string) =>
  page.evaluate(`document.querySelector('.kvlab-widget ${selector}')?.textContent ?? ''`) as Promise<string>;
const fact = (page: Page, name: string) =>
  page.evaluate(`document.querySelector('.kvlab-widget .kvlab-lab')?.dataset.${name} ?? ''`) as Promise<string>;
const subtitles = (page: Page) =>
  page.evaluate(`[...document.querySelectorAll('.kvlab-widget .kvlab-panel')]
    .filter((p) => p.dataset.drawn && p.offsetParent).map((p) => p.querySelector('.kvlab-subtitle').textContent)`) as Promise<
    string[]
  >;

/** Waits until every panel that is drawn says something, and none of them says it, in turn. */
const allSay = (page: Page, words: RegExp) =>
  until(
    async () => {
      const said = await subtitles(page);
      return said.length >= 3 && said.every((one) => words.test(one));
    },
    30_000,
    () => `not every panel says ${words}`,
  ).catch(async (error: Error) => assert.fail(`${error.message}: ${JSON.stringify(await subtitles(page))}`));
const away = /kernel restarts|kernel died|connection lost|earlier kernel|no kernel/;
/** JupyterLab itself waits up to 30 s before it asks for a lost server again. */
const noneAway = (page: Page) =>
  until(
    async () => {
      const said = await subtitles(page);
      return said.length > 0 && !said.some((one) => away.test(one));
    },
    90_000,
    () => 'a panel still says that its picture is old',
  ).catch(async (error: Error) => assert.fail(`${error.message}: ${JSON.stringify(await subtitles(page))}`));

const shown = async (page: Page) => ({
  run: await text(page, '.kvlab-run-name'),
  says: await text(page, '.kvlab-state'),
  state: await fact(page, 'state'),
  step: await fact(page, 'step'),
  panels: await subtitles(page),
  connection: await page.evaluate(
    `[...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext)?.sessionContext.session?.kernel?.connectionStatus`,
  ),
});
const shows = (page: Page, title: string, state: string, patience = 60_000) =>
  until(
    async () =>
      (await page.evaluate(
        `[document.querySelector('.kvlab-widget .kvlab-run-name'), document.querySelector('.kvlab-widget .kvlab-run-chooser')?.selectedOptions?.[0]]
          .some((one) => one && one.textContent.startsWith('${title}'))`,
      )) && (await fact(page, 'state')) === state,
    patience,
    () => `the lab does not show ${title}, ${state}`,
  ).catch(async (error: Error) => assert.fail(`${error.message}: ${JSON.stringify(await shown(page))}`));

const restart = (page: Page) =>
  page.evaluate(
    `[...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext).sessionContext.session.kernel.restart()`,
  );
const dismissDialogs = async (page: Page) => {
  for (const button of await page.$$('.jp-Dialog .jp-Dialog-button.jp-mod-accept')) await button.click();
};
const picture = (page: Page, name: string) => page.screenshot({ path: join(pictures, `recovery-${name}.png`) });

test('a lab that is opened after the run has ended shows it', async () => {
  const { page } = lab;
  await runCell(page, 0);
  await runCell(page, 1);
  await runCommand(page, 'kvlab:open');
  await shows(page, 'first', 'finished');
  await settled(page);
  await noneAway(page);
});

test('a restarted kernel leaves the last picture, which every panel calls old, and the next run replaces it', async () => {
  const { page } = lab;
  await page.evaluate(`window.said = []; window.watcher = new MutationObserver(() =>
    window.said.push(document.querySelector('.kvlab-widget .kvlab-state').textContent));
    window.watcher.observe(document.querySelector('.kvlab-widget .kvlab-header'), { subtree: true, childList: true, characterData: true })`);
  await restart(page);
  await allSay(page, /^earlier kernel/);
  assert.match(
    ((await page.evaluate('window.said.join("; ")')) as string) ?? '',
    /the kernel restarts; the last picture is kept/,
  );
  await reads(page, '.kvlab-widget .kvlab-state', /of an earlier kernel/);
  await settled(page);
  await picture(page, 'restarted');
  await runCell(page, 0);
  await runCell(page, 3);
  await shows(page, 'other', 'finished');
  await noneAway(page);
  await reads(page, '.kvlab-widget .kvlab-state', /^$/);
});

test('a page that is reloaded while a run goes on shows it from its first token and goes on with it', async () => {
  const { page } = lab;
  await runCommand(page, 'docmanager:save');
  // The layout is kept a moment after the last change; a reload before that would forget the lab.
  await until(
    () => page.evaluate(`fetch('/lab/api/workspaces/default').then((r) => r.text()).then((t) => t.includes('kvlab:'))`),
    20_000,
    () => 'the open lab is not kept in the layout',
  );
  await runCell(page, 2, 0);
  await shows(page, 'slow', 'running');
  await page.reload();
  await page.waitForSelector('.kvlab-widget .kvlab-lab', { timeout: 60_000 });
  await shows(page, 'slow', 'running', 30_000);
  assert.equal(
    await page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-token')[0]?.dataset.position`),
    '0',
  );
  openGate('slow');
  await shows(page, 'slow', 'finished');
  await settled(page);
  assert.equal(await fact(page, 'step'), '59');
});

test('in two windows both follow the run, one that loses its connection says so and catches up, and neither disturbs the other', async () => {
  const { page, browser } = lab;
  const wire = await wireTo(Number(new URL(page.url()).port));
  const second = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  try {
    await second.goto(`http://127.0.0.1:${wire.port}/lab/workspaces/second/tree/recovery.ipynb`);
    await second.waitForSelector('.jp-NotebookPanel .jp-Cell', { timeout: 60_000 });
    await until(
      () =>
        second.evaluate(
          `['idle', 'busy'].includes([...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext)?.sessionContext.session?.kernel?.status)`,
        ),
      60_000,
      () => 'the second window has no kernel',
    );
    await runCommand(second, 'kvlab:open');
    await shows(second, 'slow', 'finished');
    await runCell(page, 4, 0);
    await shows(page, 'longest', 'running');
    await shows(second, 'longest', 'running');
    wire.cut();
    await allSay(second, /^connection lost/);
    await reads(second, '.kvlab-widget .kvlab-state', /the connection to the kernel is lost; the last picture is kept/);
    await picture(second, 'connection-lost');
    await noneAway(page);
    const seen = Number(await fact(page, 'step'));
    openGate('longest');
    await until(
      async () => Number(await fact(page, 'step')) > seen,
      20_000,
      () => 'the first window stands still',
    );
    wire.mend();
    await noneAway(second);
    await shows(page, 'longest', 'finished');
    await shows(second, 'longest', 'finished');
    await settled(second);
    assert.equal(await fact(second, 'step'), '79');
    const tokens = `document.querySelectorAll('.kvlab-widget .kvlab-token').length`;
    assert.equal(await second.evaluate(tokens), await page.evaluate(tokens));
  } finally {
    await second.close();
    await wire.close();
  }
});

test('what is pointed at in the page is known to the kernel, also after a reload', async () => {
  const { page } = lab;
  await page.click('.kvlab-widget .kvlab-token[data-position="5"]');
  await settled(page);
  await runCell(page, 5);
  assert.match(await cellOutputs(page), /selected .*"position":5/);
});

test('a kernel that dies is named in every panel, and the one that takes its place is used', async () => {
  const { page } = lab;
  const pids = [...(await cellOutputs(page)).matchAll(/kernel process (\d+)/g)];
  process.kill(Number(pids.at(-1)![1]), 'SIGKILL');
  await allSay(page, away);
  assert.ok(((await page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-token').length`)) as number) > 10);
  await allSay(page, /^earlier kernel/);
  await dismissDialogs(page);
  await picture(page, 'after-death');
  await runCell(page, 0);
  await runCell(page, 1);
  await shows(page, 'first', 'finished');
  await noneAway(page);
});

test('a notebook without a kernel says so, and what fills its panels again', async () => {
  const { page } = lab;
  await page.evaluate(
    `[...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext).sessionContext.shutdown()`,
  );
  await allSay(page, /^no kernel/);
  await reads(page, '.kvlab-widget .kvlab-state', /this notebook has no kernel; choose kvlab in the menu Kernel/);
});

test('no request left this machine, and no error came from our files', () => {
  assert.deepEqual(lab.outside, []);
  assert.deepEqual(
    lab.errors.filter((error) => /extensions\/@kvlab/.test(error)),
    [],
  );
});
