/** The lab for everyone: rules of axe-core in every theme, keys for all that the mouse does, zoom, narrow pages, less motion. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { methodForms } from '../../kernel/src/engine/record/forms.ts';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, pictures, settled, until } from './real-lab.ts';

const axe = join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js');
const themes = [
  ['light', 'true', 'JupyterLab Light', '#ffffff'],
  ['dark', 'false', 'JupyterLab Dark', '#212121'],
  ['contrast', 'false', 'JupyterLab Dark High Contrast', '#111111'],
] as const;
type Theme = (typeof themes)[number];

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
let page: Page;
const errors: string[] = [];

async function openPage(
  width: number,
  options: { reducedMotion?: 'reduce'; deviceScaleFactor?: number } = {},
): Promise<Page> {
  const opened = await browser.newPage({ viewport: { width, height: 1240 }, ...options });
  opened.on('pageerror', (error) => errors.push(error.message));
  await opened.goto(server.url);
  await opened.evaluate(`window.labOptions = () => ({
    methods: async () => (${JSON.stringify(methodForms())}), insertCell: (cell) => { window.inserted = cell },
    runCell: (cell) => { window.ran = cell }, control: (action) => { window.acted = action },
    openFile: (file) => { window.opened = file } })`);
  await opened.evaluate(`(${mountScript})(${JSON.stringify({ recorded: 'kivi' })})`);
  await settled(opened);
  return opened;
}

async function setTheme(on: Page, [, light, name, paper]: Theme): Promise<void> {
  await on.evaluate(`Object.assign(document.body.dataset, { jpThemeLight: '${light}', jpThemeName: '${name}' });
    document.body.style.setProperty('--jp-layout-color1', '${paper}');`);
  await settled(on);
}

/** Violations that axe calls serious or critical, each with where it is. */
async function violations(on: Page): Promise<string[]> {
  const found = (await on.evaluate(
    `window.axe.run('.kvlab-lab', { resultTypes: ['violations'] }).then(({ violations }) => violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map((node) => node.target + ' ' + (node.any[0]?.message ?? '')).join(' | ')))`,
  )) as string[];
  return found;
}

before(async () => {
  mkdirSync(pictures, { recursive: true });
  server = await servePanels();
  browser = await launchBrowser();
  page = await openPage(1048);
  await page.addScriptTag({ path: axe });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

for (const theme of themes)
  test(`axe-core finds no serious issue in the ${theme[0]} theme`, async () => {
    await setTheme(page, theme);
    assert.deepEqual(await violations(page), []);
  });

test('axe-core finds no serious issue in tables, menus and the form', async () => {
  await setTheme(page, themes[0]);
  await page.click('.kvlab-try-button');
  await page.waitForSelector('.kvlab-field');
  await page.focus('[data-panel="memory-over-time"] .kvlab-drawing');
  await page.keyboard.press('t');
  await page.focus('[data-panel="attention-sinks"] .kvlab-drawing');
  await page.keyboard.press('e');
  await settled(page);
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.click('.kvlab-try-button');
  await page.focus('[data-panel="memory-over-time"] .kvlab-table');
  await page.keyboard.press('t');
});

test('everything that can be pressed or moved is reached by Tab, and shows that it has the focus', async () => {
  const wanted = (await page.evaluate(
    `[...document.querySelectorAll('.kvlab-lab :is(button, select, input, a[href], [tabindex="0"])')]
      .filter((part) => part.offsetParent !== null && !part.disabled && !part.closest('[hidden]')).length`,
  )) as number;
  await page.evaluate(`document.activeElement?.blur()`);
  const reached = new Set<string>();
  const bare: string[] = [];
  for (let i = 0; i < wanted + 5; i++) {
    await page.keyboard.press('Tab');
    const [key, outlined] = (await page.evaluate(`(() => {
      const on = document.activeElement;
      window.tabbed ??= new Map();
      if (!window.tabbed.has(on)) window.tabbed.set(on, String(window.tabbed.size));
      const style = getComputedStyle(on);
      return [on.closest('.kvlab-lab') ? window.tabbed.get(on) : '', style.outlineStyle !== 'none' || style.boxShadow !== 'none'];
    })()`)) as [string, boolean];
    if (key === '') continue;
    reached.add(key);
    if (!outlined)
      bare.push(
        await page.evaluate(`document.activeElement.className + ' ' + document.activeElement.textContent.slice(0, 20)`),
      );
  }
  const missed =
    await page.evaluate(`[...document.querySelectorAll('.kvlab-lab :is(button, select, input, a[href], [tabindex="0"])')]
    .filter((part) => part.offsetParent !== null && !part.disabled && !part.closest('[hidden]') && !window.tabbed.has(part))
    .map((part) => part.className + ' ' + part.textContent.slice(0, 30) + (part.getAttribute('aria-label') ?? ''))`);
  assert.deepEqual(missed, []);
  assert.ok(reached.size >= wanted, `${reached.size} of ${wanted} were reached`);
  assert.deepEqual(bare, []);
});

test('keys walk layers, tokens, steps and ranges, and open what the mouse opens', async () => {
  const caption = (panel: string) => page.textContent(`[data-panel="${panel}"] .kvlab-caption`);
  const store = (what: string) => page.evaluate(`JSON.stringify(window.page.store.${what})`);
  await page.evaluate(`window.page.api.clearSelection(window.page.store); window.page.api.goLive(window.page.store)`);
  await page.focus('[data-panel="eviction-timeline"] .kvlab-drawing');
  await page.keyboard.press('End');
  await settled(page);
  assert.match((await caption('eviction-timeline'))!, /^Token 183 /);
  await page.keyboard.press('Home');
  await page.keyboard.press('PageDown');
  await page.keyboard.press('Enter');
  assert.deepEqual(JSON.parse((await store('locked')) as string), { position: 0, layer: 0 });
  await page.keyboard.press('Escape');
  assert.deepEqual(JSON.parse((await store('locked')) as string), {});
  await page.keyboard.press('Space');
  await page.keyboard.press('[');
  await page.keyboard.press('{');
  await page.keyboard.press('{');
  assert.deepEqual(JSON.parse((await store('clock')) as string), { mode: 'range', from: 44, to: 46 });
  await page.keyboard.press('Space');
  assert.deepEqual(JSON.parse((await store('clock')) as string), { mode: 'live' });
  await page.keyboard.press('h');
  await settled(page);
  assert.match((await page.textContent('[data-panel="eviction-timeline"] .kvlab-subtitle'))!, /^all 90 heads/);
  await page.keyboard.press('h');
  await page.focus('[data-panel="memory-over-time"] .kvlab-drawing');
  await page.keyboard.press('h');
  await settled(page);
  assert.match((await page.textContent('[data-panel="memory-over-time"] .kvlab-subtitle'))!, /^claimed/);
  await page.keyboard.press('h');
  await page.focus('[data-panel="token-strip"] .kvlab-drawing');
  await page.keyboard.press('g');
  await settled(page);
  assert.match((await page.textContent('[data-panel="token-strip"] .kvlab-subtitle'))!, /mean by word/);
  for (let i = 0; i < 3; i++) await page.keyboard.press('g');
  await page.keyboard.press('e');
  assert.equal(await page.evaluate(`document.activeElement.dataset.export`), 'png');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(`document.activeElement.dataset.export`), 'svg');
  await page.keyboard.press('Escape');
});

test('the live region speaks at most once in two seconds, and says the newest', async () => {
  await page.evaluate(`(() => {
    window.spoken = [];
    const region = document.querySelector('.kvlab-spoken');
    new MutationObserver(() => window.spoken.push([performance.now(), region.textContent])).observe(region, { childList: true, characterData: true, subtree: true });
  })()`);
  await page.focus('[data-panel="eviction-timeline"] .kvlab-drawing');
  for (let i = 0; i < 12; i++) await page.keyboard.press('ArrowRight');
  const last = (await page.textContent('[data-panel="eviction-timeline"] .kvlab-caption'))!;
  await until(
    async () =>
      ((await page.evaluate(`window.spoken.at(-1)?.[1] ?? ''`)) as string) ===
      (await page.textContent('[data-panel="eviction-timeline"] .kvlab-caption')),
    10_000,
    () => `the region does not say: ${last}`,
  );
  const times = ((await page.evaluate('window.spoken')) as [number, string][]).map(([time]) => time);
  for (let i = 1; i < times.length; i++) assert.ok(times[i]! - times[i - 1]! > 1900, `${times[i]! - times[i - 1]!} ms`);
  await page.keyboard.press('Escape');
});

test('at 360 pixels and at 200 % zoom every panel stands in one column and nothing is cut off', async () => {
  for (const [name, width, options] of [
    ['narrow', 360, {}],
    ['zoomed', 524, { deviceScaleFactor: 2 }],
  ] as const) {
    const small = await openPage(width, options);
    await small.screenshot({ path: join(pictures, `access-${name}.png`), fullPage: true });
    const sticking =
      await small.evaluate(`[...document.querySelectorAll('.kvlab-lab, .kvlab-panel, .kvlab-head, .kvlab-header')]
      .filter((part) => part.scrollWidth > part.clientWidth + 1).map((part) => part.className + ' ' + (part.dataset.panel ?? ''))`);
    assert.deepEqual(sticking, [], name);
    await small.addScriptTag({ path: axe });
    assert.deepEqual(await violations(small), [], name);
    await small.close();
  }
});

test('who asks for less motion gets none, and live redraws at most twice a second', async () => {
  const calm = await openPage(1048, { reducedMotion: 'reduce' });
  const moving = await calm.evaluate(`[...document.querySelectorAll('.kvlab-lab *')]
    .filter((part) => { const style = getComputedStyle(part); return style.animationName !== 'none' && parseFloat(style.animationDuration) > 0.2; })
    .map((part) => part.className)`);
  assert.deepEqual(moving, []);
  await calm.evaluate(`window.page.lab.dispose(); window.page = undefined`);
  await calm.evaluate(`(${mountScript})(${JSON.stringify({ recorded: 'h2o', until: 3 })})`);
  await settled(calm);
  const drawn = (await calm.evaluate(`(async () => {
    const { page } = window;
    const panel = document.querySelector('[data-panel="token-strip"]');
    const before = Number(panel.dataset.drawn);
    for (let i = 0; i < 20; i++) {
      page.api.shownRun(page.store).version += 1;
      page.api.changed(page.store);
      await new Promise((next) => setTimeout(next, 100));
    }
    return Number(panel.dataset.drawn) - before;
  })()`)) as number;
  assert.ok(drawn <= 6, `${drawn} redraws in two seconds`);
  await calm.close();
});

test('nothing failed in the page', () => assert.deepEqual(errors, []));
