/** The lab alone in a page: every width and theme, keyboard, zoom and hover, on a made-up run. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, pictures, settled, until } from './real-lab.ts';

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
let page: Page;
const errors: string[] = [];

before(async () => {
  mkdirSync(pictures, { recursive: true });
  server = await servePanels();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1048, height: 1240 } });
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(server.url);
  await page.evaluate(`(${mountScript})(${JSON.stringify({ method: 'kivi', steps: 100, until: 78 })})`);
  await page.evaluate(`(${mountScript})(${JSON.stringify({ recorded: 'comparison' })})`);
  await settled(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const themes = [
  ['light', 'true', 'JupyterLab Light', '#ffffff'],
  ['dark', 'false', 'JupyterLab Dark', '#212121'],
  ['contrast', 'false', 'JupyterLab Dark High Contrast', '#111111'],
] as const;

for (const width of [1400, 1048, 760, 360])
  test(`at ${width} pixels nothing sticks out of a panel, in any theme`, async () => {
    await page.setViewportSize({ width, height: 1240 });
    for (const [name, light, jupyterName, paper] of themes) {
      await page.evaluate(`Object.assign(document.body.dataset, { jpThemeLight: '${light}', jpThemeName: '${jupyterName}' });
        document.body.style.setProperty('--jp-layout-color1', '${paper}');`);
      await settled(page);
      await page.screenshot({ path: join(pictures, `width-${width}-${name}.png`) });
      const sticking = await page.evaluate(`[...document.querySelectorAll('.kvlab-panel, .kvlab-head, .kvlab-header')]
        .filter((part) => part.scrollWidth > part.clientWidth + 1)
        .map((part) => part.className + ' of ' + part.closest('[data-panel]')?.dataset.panel)`);
      assert.deepEqual(sticking, [], name);
    }
  });

const map = '[data-panel="eviction-timeline"] .kvlab-drawing';
const caption = () => page.textContent('[data-panel="eviction-timeline"] .kvlab-caption');

test('arrows move a cursor over tokens, Enter locks it everywhere, Escape frees it', async () => {
  await page.setViewportSize({ width: 1048, height: 1240 });
  await page.focus(map);
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
  await settled(page);
  assert.match((await caption())!, /^Token 3 /);
  await page.keyboard.press('Enter');
  await settled(page);
  assert.ok(await page.$('.kvlab-token.kvlab-locked[data-position="3"]'));
  await page.keyboard.press('Escape');
  await settled(page);
  assert.equal(await page.$('.kvlab-token.kvlab-locked'), null);
});

test('every panel has a table twin with the same numbers, under the key t', async () => {
  for (const panel of await page.$$('.kvlab-panel')) {
    const drawing = (await panel.$('.kvlab-drawing'))!;
    await drawing.scrollIntoViewIfNeeded();
    await settled(page);
    // KIVI reads everything and has no graph: those panels say so and have nothing to list.
    if (await panel.evaluate((node) => node.classList.contains('kvlab-is-missing'))) continue;
    await drawing.focus();
    await page.keyboard.press('t');
    await until(
      async () => (await panel.$$('tbody tr')).length > 0,
      5000,
      () => 'no table',
    );
    assert.equal(await drawing.isVisible(), false);
    await page.keyboard.press('t');
    assert.equal(await drawing.isVisible(), true);
  }
  await page.evaluate(`document.querySelector('.kvlab-lab').scrollTop = 0`);
});

test('pointing at the map shows the lifetime of the token, and a click locks it', async () => {
  const box = (await (await page.$(map))!.boundingBox())!;
  await page.mouse.move(box.x + 120, box.y + 120);
  await until(
    async () => (await page.$('.kvlab-card:not([hidden])')) !== null,
    5000,
    () => 'no card',
  );
  assert.match((await page.textContent('.kvlab-card'))!, /held by \d+ of 90 heads/);
  await page.mouse.down();
  await page.mouse.up();
  await settled(page);
  assert.ok(await page.$('.kvlab-token.kvlab-locked'));
  await page.focus(map);
  await page.keyboard.press('Escape');
});

test('dragging over the map zooms into positions, a double click shows all again', async () => {
  const ticks = async () =>
    page.evaluate(`[...document.querySelectorAll('${map} .xtick')].map((tick) => tick.textContent).join()`);
  const whole = await ticks();
  const box = (await (await page.$(map))!.boundingBox())!;
  await page.mouse.move(box.x + 100, box.y + 150);
  await page.mouse.down();
  await page.mouse.move(box.x + 200, box.y + 160, { steps: 5 });
  await page.mouse.up();
  await until(
    async () => (await ticks()) !== whole,
    5000,
    () => 'the axis does not change',
  );
  await settled(page);
  await page.screenshot({ path: join(pictures, 'zoomed.png') });
  await page.mouse.dblclick(box.x + 150, box.y + 150);
  await until(
    async () => (await ticks()) === whole,
    5000,
    () => 'the axis does not come back',
  );
});

test('one panel can have the whole lab, and Escape gives the others their place back', async () => {
  await page.evaluate(`window.page.lab.enlarge('heavy-hitters')`);
  await settled(page);
  assert.equal(await (await page.$('[data-panel="token-strip"]'))!.isVisible(), false);
  await page.focus('[data-panel="heavy-hitters"] .kvlab-drawing');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await settled(page);
  assert.equal(await (await page.$('[data-panel="token-strip"]'))!.isVisible(), true);
});

test('nothing failed in the page', () => assert.deepEqual(errors, []));
