/** Twelve slips of other viewers, each as a test that ours does not make it. Where a slip has tests of its own elsewhere, this one looks at the page. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundleMime, byteParts, decodeFrame, type Frame, mergeFrames } from 'kvlab/frame';
import type { Browser, Page } from 'playwright-core';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { createHub } from '../../kernel/src/protocol/frames.ts';
import { panelKinds } from '../../lab-extension/src/lab/lab.ts';
import { inventedNotes } from '../panels/invented-notes.ts';
import { recordedRun } from '../panels/recorded-run.ts';
import { recordedSnapshot } from '../panels/replayed.ts';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, pictures, runPanels, settled } from './real-lab.ts';
import { serveStrictPage } from './strict-page.ts';

const h2o = recordedSnapshot('h2o');
const columns = decodeFrame(h2o.header, h2o.buffer);
const info = h2o.header.info!;
const heads = info.model.layers * info.model.kvHeads;

let strict: Awaited<ReturnType<typeof serveStrictPage>>;
let plain: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
/** The built extension under script-src self. */
let page: Page;
/** The lab alone, whose preferences can be set. */
let bare: Page;
const outside: string[] = [];
const errors: string[] = [];

before(async () => {
  mkdirSync(pictures, { recursive: true });
  [strict, plain] = await Promise.all([serveStrictPage(), servePanels()]);
  browser = await launchBrowser();
  const open = async (url: string) => {
    const opened = await browser.newPage({ viewport: { width: 1048, height: 1240 } });
    opened.on('pageerror', (error) => errors.push(error.message));
    opened.on('request', (request) => {
      if (/^(https?|wss?):/.test(request.url()) && !request.url().startsWith(url)) outside.push(request.url());
    });
    await opened.goto(url);
    return opened;
  };
  [page, bare] = await Promise.all([open(strict.url), open(plain.url)]);
  await page.evaluate('window.ready');
});
after(async () => {
  await browser?.close();
  await Promise.all([strict?.close(), plain?.close()]);
});

async function show(snapshot: Frame): Promise<void> {
  const { bundle } = await runBundle(snapshot);
  await page.evaluate(`window.show(JSON.parse(${JSON.stringify(JSON.stringify(bundle[bundleMime]))}))`);
  if (!snapshot.header.info?.comparison) await page.click('.kvlab-all-panels');
  await settled(page);
}
const panelText = (panel: string) => page.textContent(`[data-panel="${panel}"]`);
const mount = (options: object) => bare.evaluate(`(${mountScript})(${JSON.stringify(options)})`);

test('check 1: special tokens, newline, tab, a lone UTF-8 byte and right-to-left text are themselves in strip, flag and caption', async () => {
  await show([...recordedRun({ layers: 2, queryHeads: 4, kvHeads: 2, steps: 8 })].reduce(mergeFrames));
  const shown = ['<|im_start|>', 'user', '↵', '<s>', '⇥', '⟨e2 80⟩', 'שלום'];
  for (const [position, text] of shown.entries()) {
    const selector = `.kvlab-token[data-position="${position}"]`;
    assert.equal((await page.textContent(selector))!.trim(), text);
    await page.click(selector);
    await settled(page);
    for (const panel of ['token-strip', 'eviction-timeline', 'heavy-hitters'])
      assert.ok((await panelText(panel))!.includes(text), `${text} in ${panel}: ${await panelText(panel)}`);
    await page.click(selector);
  }
});

test('check 2: columns of the survival map are absolute positions before and after evictions', async () => {
  await show(h2o);
  const last = h2o.header.texts.length - 1;
  for (const position of [0, 100, last]) {
    await page.evaluate(`document.querySelector('.kvlab-token[data-position="${position}"]').click()`);
    await settled(page);
    assert.match(
      (await page.textContent('[data-panel="eviction-timeline"] .kvlab-caption'))!,
      new RegExp(`^Token ${position} `),
    );
    await page.evaluate(`document.querySelector('.kvlab-token[data-position="${position}"]').click()`);
  }
  const positions = columns['event.position']!.data;
  const left = columns['event.step']!.data;
  const fed = columns['token.step']!.data;
  for (let i = 0; i < positions.length; i++)
    assert.ok(fed[positions[i]!]! <= left[i]!, 'no event names a token that was not fed yet');
});

test('check 3: the prompt and each step feed every token once', () => {
  const seen = columns['step.seen']!.data;
  for (let row = 0; row < seen.length; row++)
    assert.equal(seen[row], info.promptLength + columns['step.index']!.data[row]!);
  assert.deepEqual([...columns['token.position']!.data], [...h2o.header.texts.keys()]);
});

test('check 4: scores of H2O in the data of the panels differ between all heads', () => {
  const { data, shape } = columns['heavy.score']!;
  const tokens = shape[2]!;
  const rows = new Set(
    Array.from({ length: heads }, (_, head) => data.slice(head * tokens, (head + 1) * tokens).join()),
  );
  assert.equal(rows.size, heads);
});

test('check 5: bytes count KV heads, held is at least what is claimed, and bands sum to live buffers', async () => {
  await show(h2o);
  const rows = columns['bytes.claimed']!.data.length;
  const width = info.zones.length * byteParts.length;
  const heldAt = (row: number) =>
    Array.from(columns['bytes.held']!.data)
      .slice(row * width, (row + 1) * width)
      .reduce((sum, part) => sum + part, 0);
  for (let row = 0; row < rows; row++) {
    assert.ok(heldAt(row) >= columns['bytes.claimed']!.data[row]!);
    const { layers, kvHeads, headSize } = info.model;
    assert.equal(
      columns['bytes.full']!.data[row],
      2 * layers * kvHeads * headSize * 4 * columns['step.seen']!.data[row]!,
    );
  }
  assert.equal(Number(await page.getAttribute('[data-panel="memory-over-time"]', 'data-bytes-held')), heldAt(rows - 1));
});

test('check 6: perplexity is spoken of in forced mode alone', async () => {
  await show(recordedSnapshot('comparison'));
  const compare = '[data-panel="compare"]';
  const press = async (view: string) => {
    await page.click(`${compare} .kvlab-controls button[value="${view}"]`);
    await settled(page);
  };
  await press('forced');
  assert.match((await page.textContent(`${compare}`))!, /perplexity/);
  await press('free');
  assert.equal(await page.isVisible(`${compare} :text("perplexity, forced")`), false);
  assert.match((await page.textContent(`${compare} .kvlab-caption`))!, /none has a perplexity/);
  await show(h2o);
  assert.doesNotMatch((await page.textContent('.kvlab-bundle'))!, /perplexity, forced/);
});

test('check 7: offline and under script-src self every panel is shown', async () => {
  await page.context().setOffline(true);
  try {
    const drawn = new Set<string>();
    for (const snapshot of [
      h2o,
      ...(['kivi', 'quest', 'comparison'] as const).map(recordedSnapshot),
      inventedNotes(),
    ]) {
      await show(snapshot);
      for (const panel of await page.$$('.kvlab-panel:visible')) {
        await panel.scrollIntoViewIfNeeded();
        await settled(page);
        const works = await panel.evaluate(
          (node) =>
            Number(node.dataset.drawn) > 0 && !node.classList.contains('kvlab-is-missing') && node.dataset.panel,
        );
        if (works) drawn.add(works);
      }
    }
    assert.deepEqual([...drawn].sort(), panelKinds.map(({ id }) => id).sort());
  } finally {
    await page.context().setOffline(false);
  }
  assert.deepEqual(await page.evaluate('window.violations'), []);
});

test('check 8: settings apply without reopening, and what waits for a hidden page is bounded', async () => {
  await mount({ recorded: 'h2o' });
  await settled(bare);
  await bare.evaluate(`(async () => {
    const { setPreferences } = await import('/lab-extension/lib/preferences.js');
    setPreferences({ colours: 'dark', depth: 'student' });
  })()`);
  await settled(bare);
  assert.equal(
    await bare.evaluate(`getComputedStyle(document.querySelector('.kvlab-lab')).backgroundColor`),
    'rgb(33, 33, 33)',
  );
  assert.equal(await bare.isVisible('.kvlab-range'), false);
  await bare.evaluate(`(async () => {
    const { setPreferences, defaultPreferences } = await import('/lab-extension/lib/preferences.js');
    setPreferences(defaultPreferences);
  })()`);
  let frames = 0;
  const hub = createHub({
    send: (_, message) => void (frames += Number(message.type === 'frame')),
    methods() {},
    forward() {},
    notice() {},
  });
  hub.open('page');
  hub.message('page', { type: 'hide' });
  for (const frame of recordedRun({ layers: 2, queryHeads: 4, kvHeads: 2, steps: 200 })) hub.publish(frame);
  assert.equal(frames, 0);
  hub.message('page', { type: 'resume' });
  assert.equal(frames, 1, 'all that it missed is one frame');
  hub.stop();
});

test('check 9: no request leaves the page, and no button sends a picture anywhere', async () => {
  assert.deepEqual(outside, []);
  for (const one of [page, bare])
    assert.equal(
      await one.evaluate(`document.querySelectorAll('.modebar, [data-title*="loud"], a[href^="http"]').length`),
      0,
    );
});

test('check 10: a map with more tokens than pixels says how many a column stands for', async () => {
  await mount({ method: 'h2o', steps: 40, tellings: 14 });
  await settled(bare);
  const map = '[data-panel="eviction-timeline"]';
  assert.match((await bare.textContent(map))!, /\d+ tokens a column/);
  await bare.screenshot({ path: join(pictures, 'check-10-binned.png') });
});

test('check 11: light, dark and high contrast differ in every panel, and none is blank', async () => {
  await mount({ recorded: 'kivi' });
  await bare.evaluate(`window.page.api.showRun(window.page.store, 'kivi', true)`);
  const taken = new Map<string, Set<string>>();
  for (const colours of ['light', 'dark', 'contrast']) {
    await bare.evaluate(`(async () => {
      const { setPreferences } = await import('/lab-extension/lib/preferences.js');
      setPreferences({ colours: '${colours}' });
    })()`);
    await settled(bare);
    for (const id of runPanels) {
      const panel = (await bare.$(`[data-panel="${id}"]`))!;
      await panel.scrollIntoViewIfNeeded();
      await settled(bare);
      const picture = await panel.screenshot();
      assert.ok(picture.length > 5000, `${id} in ${colours} is nearly blank: ${picture.length} bytes`);
      taken.set(id, (taken.get(id) ?? new Set()).add(picture.toString('base64')));
    }
  }
  for (const [id, pictures] of taken) assert.equal(pictures.size, 3, id);
});

test('check 12: every drawing is reached by Tab, has a name, and has a table twin', async () => {
  let looked = 0;
  for (const panel of await bare.$$('.kvlab-panel')) {
    const id = await panel.getAttribute('data-panel');
    const drawing = (await panel.$('.kvlab-drawing'))!;
    await panel.scrollIntoViewIfNeeded();
    await settled(bare);
    if (await panel.evaluate((node) => node.classList.contains('kvlab-is-missing'))) continue;
    looked += 1;
    const reached = (await drawing.getAttribute('tabindex')) === '0' ? drawing : await drawing.$('[tabindex="0"]');
    assert.ok(reached, `${id} is not reached by Tab`);
    assert.ok(((await drawing.getAttribute('aria-label')) ?? '').length > 10, `${id} has no name`);
    await reached.focus();
    await bare.keyboard.press('t');
    assert.ok((await panel.$$('tbody tr')).length > 0, `${id} has no table`);
    await bare.keyboard.press('t');
  }
  assert.ok(looked >= 6, `${looked} panels were looked at`);
});

test('nothing failed in the page', () => assert.deepEqual(errors, []));
