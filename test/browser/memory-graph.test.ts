/** Placing a large memory graph: beside the page, in a worker of the built extension under a strict policy, and stopped by hand. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundleMime } from 'kvlab/frame';
import type { Browser, Page } from 'playwright-core';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { manyNotes } from '../panels/invented-notes.ts';
import { launchBrowser, pictures, settled, until } from './real-lab.ts';
import { serveStrictPage } from './strict-page.ts';

let server: Awaited<ReturnType<typeof serveStrictPage>>;
let browser: Browser;
let page: Page;
const errors: string[] = [];
const workers: string[] = [];
const panel = '[data-panel="memory-graph"]';
const stop = `${panel} .kvlab-graph-stop`;

before(async () => {
  server = await serveStrictPage();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1048, height: 900 } });
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('worker', (worker) => workers.push(worker.url()));
  await page.goto(server.url);
  await page.evaluate('window.ready');
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Shows a graph of so many notes and enlarges its panel. */
async function show(notes: number): Promise<void> {
  const bundle = (await runBundle(manyNotes(notes))).bundle[bundleMime];
  await page.evaluate(`window.show(JSON.parse(${JSON.stringify(JSON.stringify(bundle))}))`);
  await page.click('.kvlab-all-panels');
  await page.evaluate(`document.querySelector('${panel}').scrollIntoView()`);
}
const facts = async () => page.evaluate(`document.querySelector('${panel}').dataset.placed`);

test('a worker from our own files places a graph of 300 notes, and no policy is violated', async () => {
  await show(300);
  await until(
    async () => (await facts()) === '300',
    60_000,
    () => 'the notes have no places',
  );
  await settled(page);
  await page.screenshot({ path: join(pictures, 'graph-of-300.png') });
  assert.equal(workers.length, 1);
  assert.ok(workers[0]!.startsWith(`${server.url}static/`), workers[0]);
  assert.deepEqual(await page.evaluate('window.violations'), []);
});

/** Runs in the page: acts on the button as soon as it offers to cancel, so that no machine is too fast to be stopped. */
const stopAtOnce = (act: string) => `new MutationObserver((_, watch) => {
  const button = document.querySelector('${stop}');
  if (!button || button.hidden || button.textContent !== 'Cancel') return;
  watch.disconnect();
  ${act}
}).observe(document.body, { subtree: true, childList: true, attributes: true })`;

for (const [by, act] of [
  ['the button', 'button.click()'],
  [
    'Escape',
    `document.querySelector('${panel} .kvlab-drawing').dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))`,
  ],
] as const)
  test(`a large graph can be cancelled with ${by}, and placed after all`, async () => {
    await page.evaluate(stopAtOnce(act));
    await show(1000);
    await until(
      async () => (await page.textContent(stop)) === 'Place again',
      60_000,
      () => 'nothing was cancelled',
    );
    assert.equal(await facts(), '0', 'nothing is drawn');
    await page.click(stop);
    await until(
      async () => Number(await facts()) > 0,
      120_000,
      () => 'the notes have no places',
    );
    assert.ok(await page.isHidden(stop));
  });

test('nothing failed in the page', () => assert.deepEqual(errors, []));
