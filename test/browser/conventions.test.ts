/** The lab keeps to the conventions of JupyterLab: palette, launcher, menu, settings, status bar, restoring, several notebooks at once. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openRealLab, pictures, type RealLab, runCommand, settled, until, writeNotebook } from './real-lab.ts';

const tiny = join(import.meta.dirname, '../../fixtures/tiny/tiny.gguf');
const cell = (title: string, after = '') => `import { lab, methods } from 'kvlab';
const model = await lab.load(${JSON.stringify(tiny)});
await lab.generate(model, 'a b c d e f g a b c d e f g', { method: methods.h2o({ entries: 8 }), maxTokens: 24, title: '${title}' });
${after}console.log('done');`;

let real: RealLab;
let page: Page;
before(async () => {
  real = await openRealLab('first.ipynb', (folder) => {
    writeNotebook(join(folder, 'first.ipynb'), [
      cell('of the first'),
      `lab.show({ depth: 'student', panel: 'memory-over-time' });`,
    ]);
    writeNotebook(join(folder, 'second.ipynb'), [cell('of the second')]);
  });
  page = real.page;
});
after(() => real?.close());

const lab = (path: string) => `[data-notebook="${path}"].jp-MainAreaWidget`;
const picture = (name: string) => page.screenshot({ path: join(pictures, `conventions-${name}.png`) });
const textOf = (selector: string) =>
  page.evaluate(`document.querySelector('${selector}')?.textContent ?? ''`) as Promise<string>;

async function bringUp(path: string): Promise<void> {
  await runCommand(page, 'docmanager:open', { path });
  await until(
    () =>
      page.evaluate(`(() => { const at = window.jupyterapp.shell.currentWidget;
        return at?.context?.path === '${path}' && ['idle', 'busy'].includes(at.sessionContext.session?.kernel?.status); })()`),
    60_000,
    () => `${path} has no kernel`,
  );
}

/** A lab behind another one draws nothing, so it is brought to the front first. */
async function showsRun(path: string, title: string): Promise<void> {
  await page.evaluate(`window.jupyterapp.shell.activateById('kvlab-${path}')`);
  await until(
    async () =>
      (await textOf(`${lab(path)} .kvlab-run-name`)) === title &&
      (await page.$$(`${lab(path)} .kvlab-token`)).length > 30,
    60_000,
    () => `the lab of ${path} does not show the run ${title}`,
  );
}

test('two notebooks with kernels of their own have labs of their own, and no run of one is seen in the other', async () => {
  await runCommand(page, 'kvlab:open');
  await bringUp('second.ipynb');
  await runCommand(page, 'kvlab:open');
  await bringUp('first.ipynb');
  await page.evaluate(`void window.jupyterapp.commands.execute('notebook:run-cell')`);
  await bringUp('second.ipynb');
  await page.evaluate(`void window.jupyterapp.commands.execute('notebook:run-cell')`);
  await showsRun('first.ipynb', 'of the first');
  await showsRun('second.ipynb', 'of the second');
  for (const path of ['first.ipynb', 'second.ipynb'])
    assert.equal(
      await page.evaluate(`document.querySelector('${lab(path)} .kvlab-run-chooser').options.length`),
      1,
      path,
    );
  await page.evaluate(`window.jupyterapp.shell.activateById('kvlab-first.ipynb')`);
  await page.click(`${lab('first.ipynb')} .kvlab-token[data-position="4"]`);
  await settled(page);
  assert.ok(await page.$(`${lab('first.ipynb')} .kvlab-token.kvlab-locked`));
  assert.equal(await page.$(`${lab('second.ipynb')} .kvlab-token.kvlab-locked`), null);
});

test('the status bar tells speed, bytes held and device of the run in front', async () => {
  await until(
    async () => /^[\d.,]+ tokens\/s · [\d.,]+ MiB held · \w+/.test(await textOf('.kvlab-status')),
    20_000,
    () => 'the status bar says nothing',
  );
});

test('the palette has an entry for the lab, each panel and each action', async () => {
  await runCommand(page, 'apputils:activate-command-palette');
  await page.fill('.lm-CommandPalette-input', 'kvlab');
  await until(
    async () => (await page.$$('.lm-CommandPalette-item')).length > 20,
    10_000,
    () => 'the palette does not list our commands',
  );
  const entries = (await page.evaluate(
    `[...document.querySelectorAll('.lm-CommandPalette-itemLabel')].map((label) => label.textContent)`,
  )) as string[];
  const panels = (await page.evaluate(
    `[...document.querySelectorAll('${lab('first.ipynb')} .kvlab-title')].map((title) => title.textContent)`,
  )) as string[];
  assert.ok(panels.length >= 7);
  for (const panel of panels)
    for (const entry of [`Show ${panel}`, `Enlarge ${panel}`, `Export ${panel}…`])
      assert.ok(entries.includes(entry), entry);
  for (const entry of ['Open kvlab', 'New Notebook with kvlab', 'Follow the Newest Step', 'Pin This Step'])
    assert.ok(entries.includes(entry), `${entry} in ${entries}`);
  await picture('palette');
  await page.keyboard.press('Escape');
});

test('the menu kvlab has the same, with every panel by its name', async () => {
  const opened = async (item: string) => {
    await page.hover(`.lm-Menu-item:has-text("${item}")`);
    await until(
      async () => (await page.$$('.lm-Menu')).length === 2,
      10_000,
      () => `the menu ${item} does not open`,
    );
    return (await page.evaluate(
      `[...[...document.querySelectorAll('.lm-Menu')].at(-1).querySelectorAll('.lm-Menu-itemLabel')].map((l) => l.textContent)`,
    )) as string[];
  };
  await page.click('.lm-MenuBar-item:has-text("kvlab")');
  await page.waitForSelector('.lm-Menu');
  const panels = (await page.evaluate(
    `[...document.querySelectorAll('${lab('first.ipynb')} .kvlab-title')].map((title) => title.textContent)`,
  )) as string[];
  assert.deepEqual(
    await opened('Show Panel'),
    panels.map((panel) => `Show ${panel}`),
  );
  await picture('menu');
  await page.hover('.lm-Menu-item:has-text("Open kvlab")');
  await until(
    async () => (await page.$$('.lm-Menu')).length === 1,
    10_000,
    () => 'the first menu does not close',
  );
  assert.deepEqual(
    await opened('Enlarge Panel'),
    panels.map((panel) => `Enlarge ${panel}`),
  );
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
});

test('commands pin a step, follow the newest again, enlarge a panel and open its exports', async () => {
  await page.evaluate(`window.jupyterapp.shell.activateById('kvlab-first.ipynb')`);
  const pressed = (name: string) => page.getAttribute(`${lab('first.ipynb')} .kvlab-${name}`, 'aria-pressed');
  await runCommand(page, 'kvlab:pin');
  await until(
    async () => (await pressed('pin')) === 'true',
    10_000,
    () => 'nothing is pinned',
  );
  await runCommand(page, 'kvlab:live');
  await until(
    async () => (await pressed('live')) === 'true',
    10_000,
    () => 'it does not go live',
  );
  await runCommand(page, 'kvlab:enlarge', { panel: 'heavy-hitters' });
  await until(
    () => page.isHidden(`${lab('first.ipynb')} [data-panel="token-strip"]`),
    10_000,
    () => 'nothing is enlarged',
  );
  await runCommand(page, 'kvlab:export', { panel: 'heavy-hitters' });
  await page.waitForSelector(`${lab('first.ipynb')} [data-panel="heavy-hitters"] .kvlab-menu:not([hidden])`);
  await page.keyboard.press('Escape');
  await runCommand(page, 'kvlab:enlarge', { panel: 'heavy-hitters' });
  assert.equal(await page.isVisible(`${lab('first.ipynb')} [data-panel="token-strip"]`), true);
});

test('a depth hides controls and nothing else: from the header, from the menu and from a cell', async () => {
  const first = lab('first.ipynb');
  const visible = async () => ({
    panels: await page.evaluate(
      `[...document.querySelectorAll('${first} .kvlab-panel')].filter((p) => p.offsetParent).length`,
    ),
    controls: await page.evaluate(
      `[...document.querySelectorAll('${first} :is(button, select, input)')].filter((c) => c.offsetParent).length`,
    ),
  });
  const everything = await visible();
  await page.selectOption(`${first} .kvlab-depth`, 'student');
  const student = await visible();
  assert.equal(student.panels, everything.panels);
  assert.ok((student.controls as number) < (everything.controls as number), JSON.stringify([student, everything]));
  await settled(page);
  await picture('student');
  await runCommand(page, 'kvlab:depth', { depth: 'researcher' });
  assert.deepEqual(await visible(), everything);
  await bringUp('first.ipynb');
  await runCommand(page, 'notebook:move-cursor-down');
  await page.evaluate(`void window.jupyterapp.commands.execute('notebook:run-cell')`);
  await until(
    async () => (await page.getAttribute(`${first} .kvlab-lab`, 'data-depth')) === 'student',
    20_000,
    () => 'the cell does not set the depth',
  );
  assert.equal(await page.inputValue(`${first} .kvlab-depth`), 'student');
  assert.equal(await page.getAttribute(`${lab('second.ipynb')} .kvlab-lab`, 'data-depth'), 'researcher');
});

test('settings are read at once by every lab', async () => {
  await runCommand(page, 'settingeditor:open', { query: 'kvlab' });
  const form = '.jp-SettingsPanel';
  await page.waitForSelector(`${form} select`, { timeout: 30_000 });
  await picture('settings');
  const choose = async (field: string, choice: string) => {
    const select = (await page.$(`${form} select[id$="_${field}"]`))!;
    await select.selectOption({ label: choice });
  };
  await choose('colours', 'High contrast');
  await until(
    () => page.evaluate(`[...document.querySelectorAll('.kvlab-lab')].every((l) => l.dataset.colours === 'contrast')`),
    20_000,
    () => 'the colours are not taken over',
  );
  await choose('depth', 'Teacher: switches and exports');
  await until(
    async () => (await page.getAttribute(`${lab('second.ipynb')} .kvlab-lab`, 'data-depth')) === 'teacher',
    20_000,
    () => 'the depth is not taken over',
  );
  assert.equal(
    await page.getAttribute(`${lab('first.ipynb')} .kvlab-lab`, 'data-depth'),
    'student',
    'its cell said so',
  );
  await page.evaluate(`window.jupyterapp.shell.activateById('kvlab-second.ipynb')`);
  await settled(page);
  await picture('contrast');
  const paper = await page.evaluate(
    `getComputedStyle(document.querySelector('${lab('second.ipynb')} .kvlab-lab')).backgroundColor`,
  );
  assert.equal(paper, 'rgb(17, 17, 17)');
  await page.evaluate(`[...window.jupyterapp.shell.widgets('main')].find((w) => w.id === 'setting-editor')?.close()`);
});

test('a renamed notebook keeps its lab, and after a reload both labs are back with their runs', async () => {
  await bringUp('second.ipynb');
  await page.evaluate(
    `(async () => { await window.jupyterapp.shell.currentWidget.context.rename('renamed.ipynb'); })()`,
  );
  await page.waitForSelector(lab('renamed.ipynb'));
  for (const path of ['first.ipynb', 'renamed.ipynb']) {
    await bringUp(path);
    await runCommand(page, 'docmanager:save');
  }
  await until(
    () =>
      page.evaluate(`fetch('/lab/api/workspaces/default').then((r) => r.text())
        .then((t) => t.includes('kvlab:first.ipynb') && t.includes('kvlab:renamed.ipynb'))`),
    20_000,
    () => 'the open labs are not kept in the layout',
  );
  await page.reload();
  await page.waitForSelector(lab('renamed.ipynb'), { timeout: 60_000, state: 'attached' });
  await page.waitForSelector(lab('first.ipynb'), { timeout: 60_000, state: 'attached' });
  for (const [path, title] of [
    ['first.ipynb', 'of the first'],
    ['renamed.ipynb', 'of the second'],
  ] as const)
    await showsRun(path, title);
});

test('the card in the launcher makes a notebook with the kernel kvlab and the lab beside it', async () => {
  await runCommand(page, 'launcher:create');
  const card = '.jp-LauncherCard:has-text("kvlab with its panels")';
  await page.waitForSelector(card);
  await settled(page);
  await picture('launcher');
  await page.click(card);
  await page.waitForSelector(lab('Untitled.ipynb'), { timeout: 60_000 });
  await until(
    () =>
      page.evaluate(
        `[...window.jupyterapp.shell.widgets('main')].some((w) => w.context?.path === 'Untitled.ipynb' && w.sessionContext.session?.kernel?.name === 'kvlab')`,
      ),
    60_000,
    () => 'the new notebook has another kernel',
  );
  assert.match(await textOf(`${lab('Untitled.ipynb')} .kvlab-lab`), /No run yet/);
  await picture('new-notebook');
});

test('no request left this machine, and no error came from our files', () => {
  assert.deepEqual(real.outside, []);
  assert.deepEqual(
    real.errors.filter((error) => /extensions\/@kvlab/.test(error)),
    [],
  );
});
