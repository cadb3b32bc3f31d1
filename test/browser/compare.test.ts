/** Compare, sparse reads and the memory graph in a page, as a user meets them: peaks, keys, sorting, heads, lists. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { inventedNotes } from '../panels/invented-notes.ts';
import { packed } from '../panels/packed-frames.ts';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, pictures, settled } from './real-lab.ts';

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
let page: Page;
const errors: string[] = [];
const folder = mkdtempSync(join(tmpdir(), 'kvlab-notes-'));

before(async () => {
  mkdirSync(pictures, { recursive: true });
  const notes = join(folder, 'notes.packed');
  writeFileSync(notes, packed([inventedNotes()]));
  server = await servePanels();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1048, height: 1240 } });
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(server.url);
  for (const options of [{ recorded: 'comparison' }, { file: notes }, { recorded: 'h2o' }, { recorded: 'quest' }])
    await page.evaluate(`(${mountScript})(${JSON.stringify(options)})`);
  await settled(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const panel = (id: string) => `[data-panel="${id}"]`;
const caption = (id: string) => page.textContent(`${panel(id)} .kvlab-caption`);
async function show(id: string) {
  await page.evaluate(`document.querySelector('${panel(id)}').scrollIntoView()`);
  await settled(page);
}
const choose = async (id: string, name: string) => {
  await page.click(`${panel(id)} .kvlab-segmented button:text-is("${name}")`);
  await settled(page);
};

test('n leads from peak to peak of KL and says what had left the cache before it; the step is held everywhere', async () => {
  await show('compare');
  assert.match((await caption('compare'))!, /stays nearest: mean KL 0\.\d{3}/);
  await page.focus(`${panel('compare')} .kvlab-drawing`);
  await page.keyboard.press('n');
  await settled(page);
  const first = await caption('compare');
  assert.match(first!, /before token \d+ .* of the answer: KL \d\.\d{3}/);
  assert.equal(await page.evaluate('page.store.clock.mode'), 'pinned');
  await page.keyboard.press('n');
  await settled(page);
  assert.notEqual(await caption('compare'), first);
  await page.keyboard.press('p');
  await settled(page);
  assert.equal(await caption('compare'), first);
});

test('a click on a head of the table sorts it, a click on a method brings it to the front', async () => {
  const names = () =>
    page.evaluate(
      `[...document.querySelectorAll('${panel('compare')} tbody tr td:first-child')].map((cell) => cell.textContent)`,
    );
  const before = (await names()) as string[];
  await page.click(`${panel('compare')} th button:text-is("mean KL")`);
  await settled(page);
  const after = (await names()) as string[];
  assert.equal(after[0], before[0], 'the full cache stays first');
  assert.notDeepEqual(after, before);
  assert.deepEqual([...after].sort(), [...before].sort());
  assert.equal(
    await page.evaluate('document.activeElement.textContent'),
    'mean KL ▴',
    'the keyboard stays at the head',
  );
  await page.focus(`${panel('compare')} .kvlab-drawing`);
  await page.keyboard.press('2');
  await settled(page);
  assert.equal(await page.textContent(`${panel('compare')} tr.kvlab-framed td:first-child`), '■StreamingLLM 20 %');
});

test('free texts and survival maps are one switch away, and nothing sticks out in any width', async () => {
  await choose('compare', 'Free');
  assert.match((await page.textContent(`${panel('compare')} .kvlab-compare-texts`))!, /leaves at token 2/);
  assert.match((await caption('compare'))!, /none has a perplexity/);
  await choose('compare', 'Survival');
  for (const width of [1048, 360]) {
    await page.setViewportSize({ width, height: 1240 });
    for (const id of ['compare', 'sparse-reads', 'memory-graph']) {
      await show(id);
      const wide = await page.evaluate(
        `[...document.querySelectorAll('${panel(id)}, ${panel(id)} .kvlab-head')].every((part) => part.scrollWidth <= part.clientWidth + 1)`,
      );
      assert.ok(wide, `${id} at ${width}`);
      await (await page.$(panel(id)))!.screenshot({ path: join(pictures, `${id}-${width}.png`) });
    }
  }
  await page.setViewportSize({ width: 1048, height: 1240 });
});

test('pointing at a head of the list of layers shows its reads, m takes the shades away, and r brings what more pages would hold', async () => {
  await page.evaluate(`page.api.showRun(page.store, 'quest', true)`);
  await show('sparse-reads');
  await page.evaluate('page.api.lockSelection(page.store, { layer: 20, queryHead: 5 })');
  await settled(page);
  assert.match(
    (await caption('sparse-reads'))!,
    /^Layer 20 reads \d+ % of keys and keeps \d+ % of attention; head 5 keeps/,
  );
  assert.match((await caption('sparse-reads'))!, /recorded when the head is named in record\.$/);
  await page.focus(`${panel('sparse-reads')} .kvlab-drawing`);
  await page.keyboard.press('m');
  await page.keyboard.press('m');
  await settled(page);
  assert.equal(
    await page.getAttribute(`${panel('sparse-reads')} .kvlab-segmented button:text-is("Mask")`, 'aria-pressed'),
    'true',
  );
  await page.evaluate('page.api.lockSelection(page.store, { layer: 2, queryHead: 4 })');
  await page.keyboard.press('r');
  await page.keyboard.press('r');
  await settled(page);
  assert.match(
    (await caption('sparse-reads'))!,
    /^Layer 2 head 4: its first (\d+) pages hold \d+ % of attention, the best \1 would hold \d+ %\.$/,
  );
});

test('keys open the parts of the memory and walk from box to box, and the ranks of heavy tokens', async () => {
  await page.mouse.move(-10, -10);
  await show('memory-over-time');
  await page.focus(`${panel('memory-over-time')} .kvlab-drawing`);
  await page.keyboard.press('p');
  await settled(page);
  const largest = (await caption('memory-over-time'))!;
  assert.match(largest, /^The largest part: .* MiB, \d+ % of what memory holds\.$/);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await settled(page);
  const box = (await caption('memory-over-time'))!;
  assert.match(box, /^\w+, device: .* MiB/, 'the second box is a zone of the device');
  await page.evaluate(
    `page.api.showRun(page.store, 'h2o', true); page.api.goLive(page.store); page.api.clearSelection(page.store); page.lab.enlarge('heavy-hitters')`,
  );
  await settled(page);
  await page.focus(`${panel('heavy-hitters')} .kvlab-drawing`);
  await page.keyboard.press('k');
  await settled(page);
  assert.match((await caption('heavy-hitters'))!, /^From step 0 to step 79, \d+ % of the 12 heaviest tokens/);
  await page.keyboard.press('k');
  await page.evaluate(`page.api.showRun(page.store, 'quest', true); page.lab.enlarge()`);
});

test('the graph has a list that reads the same, and says so where a run has none', async () => {
  await show('memory-graph');
  assert.match((await page.textContent(`${panel('memory-graph')} .kvlab-missing`))!, /No structure of its own/);
  await page.evaluate(`page.api.showRun(page.store, 'notes', true)`);
  await settled(page);
  assert.match((await caption('memory-graph'))!, /the query reached 4 notes in 3 hops/);
  await choose('memory-graph', 'List');
  const rows = await page.evaluate(
    `[...document.querySelectorAll('${panel('memory-graph')} .kvlab-graph-list tbody tr')].slice(0, 4).map((row) => row.children[1].textContent)`,
  );
  assert.deepEqual(rows, ['notebook', 'blue cover', 'points at book', 'boy']);
});

test('nothing failed in the page', () => assert.deepEqual(errors, []));
