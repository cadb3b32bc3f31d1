/** The words of the interface come from the language of the page; tokens and names of methods stay as they are. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, runPanels, settled } from './real-lab.ts';

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
let page: Page;

before(async () => {
  server = await servePanels();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1048, height: 1240 } });
  await page.goto(server.url);
  // A language in which every word stands between guillemets.
  await page.evaluate(`(async () => {
    const { translateWith } = await import('/lab-extension/lib/translate.js');
    translateWith({ __: (text, ...values) => '«' + text.replace(/%(\\d)/g, (_, n) => values[n - 1]) + '»' });
  })()`);
  await page.evaluate(`(${mountScript})(${JSON.stringify({ recorded: 'h2o' })})`);
  await settled(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const words = (selector: string) =>
  page.evaluate(`[...document.querySelectorAll('${selector}')].map((one) => one.textContent)`) as Promise<string[]>;

test('titles and buttons of all panels and of the header are translated', async () => {
  for (const selector of ['.kvlab-title', '.kvlab-quiet > button', '.kvlab-time button', '.kvlab-depth option'])
    for (const one of await words(selector)) assert.match(one, /^«.+»$/, `${selector}: ${one}`);
  assert.ok((await words('.kvlab-title')).includes('«Eviction timeline»'));
});

test('empty states are translated', async () => {
  const titles = await words('.kvlab-missing strong');
  assert.ok(titles.length > 0);
  for (const one of titles) assert.match(one, /«.+»$/);
});

/** What no translation covers, units aside. */
const leftOver = (phrase: string) => phrase.replace(/«.*»/s, '').replace('MiB', '');

test('captions of the six panels of one run, and the axis of tokens, are translated', async () => {
  for (const panel of runPanels) {
    const phrases = await words(`[data-panel="${panel}"] .kvlab-caption > *`);
    assert.ok(phrases.length > 0, panel);
    for (const phrase of phrases) assert.doesNotMatch(leftOver(phrase), /\p{L}/u, `${panel}: ${phrase}`);
  }
  const titles = await words('[data-panel="eviction-timeline"] .kvlab-axes [class*="title"]');
  assert.ok(
    titles.some((title) => title.startsWith('«token position»')),
    titles.join(),
  );
});

test('tokens, names and numbers are not', async () => {
  assert.match((await words('.kvlab-method'))[0]!, /^H2O/);
  assert.ok((await words('.kvlab-token')).every((token) => !/[«»]/.test(token)));
});

test('captions of panels that need another kind of run are translated', async () => {
  for (const [recorded, panel] of [
    ['comparison', 'compare'],
    ['quest', 'sparse-reads'],
    ['tree', 'memory-graph'],
  ]) {
    await page.evaluate(`(${mountScript})(${JSON.stringify({ recorded })})`);
    await page.evaluate(`document.querySelector('[data-panel="${panel}"]').scrollIntoView()`);
    await settled(page);
    const phrases = await words(`[data-panel="${panel}"] .kvlab-caption > *`);
    assert.ok(phrases.length > 1, panel);
    for (const phrase of phrases) assert.doesNotMatch(leftOver(phrase), /\p{L}/u, `${panel}: ${phrase}`);
  }
});
