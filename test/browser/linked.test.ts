/** One selection and one clock for all panels, why a token left, and what each panel can be saved as: on a recorded run. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { tableFromIPC } from '@uwdata/flechette';
import { byteParts, decodeFrame } from 'kvlab/frame';
import type { Browser, Page } from 'playwright-core';
import { recordedSnapshot } from '../panels/replayed.ts';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, reads, runPanels, settled, until } from './real-lab.ts';

const { header, buffer } = recordedSnapshot('h2o');
const columns = decodeFrame(header, buffer);
const steps = header.step;
const info = header.info!;

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
let page: Page;
const errors: string[] = [];
const requests: string[] = [];

before(async () => {
  server = await servePanels();
  browser = await launchBrowser();
  const context = await browser.newContext({ viewport: { width: 1400, height: 1500 }, acceptDownloads: true });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  page = await context.newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url)) requests.push(request.url());
  });
  await page.goto(server.url);
  await page.evaluate(`window.labOptions = () => ({ openFile: (file) => { window.opened = file } })`);
  await page.evaluate(`(${mountScript})(${JSON.stringify({ recorded: 'h2o' })})`);
  await settled(page);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const caption = (panel: string) => page.textContent(`[data-panel="${panel}"] .kvlab-caption`);
const drawing = async (panel: string) =>
  (await (await page.$(`[data-panel="${panel}"] .kvlab-drawing`))!.boundingBox())!;
const storeHas = async (what: string) =>
  JSON.parse((await page.evaluate(`JSON.stringify(window.page.store.${what})`)) as string);
const free = () =>
  page.evaluate(`window.page.api.clearSelection(window.page.store); window.page.api.goLive(window.page.store)`);

test('a recorded run says so', async () => {
  await reads(page, '.kvlab-state', /recorded/);
});

test('a query head that is clicked marks its KV head and group, and the panels of one head follow', async () => {
  const box = await drawing('attention-sinks');
  await page.mouse.click(box.x + 22 + 16 * 4 + 8, box.y + 32 + 14 * 12 + 4);
  await settled(page);
  const locked = await storeHas('locked');
  assert.equal(locked.kvHead, Math.floor(locked.queryHead / 3));
  assert.match((await caption('heavy-hitters'))!, new RegExp(`layer ${locked.layer} kv head ${locked.kvHead}`));
  await free();
});

test('Shift and a click add tokens and heads, Shift and arrows extend, and every panel marks them all', async () => {
  const token = (position: number) => `.kvlab-token[data-position="${position}"]`;
  const locked = () =>
    page.evaluate(
      `[...document.querySelectorAll('.kvlab-token.kvlab-locked')].map((one) => Number(one.dataset.position))`,
    ) as Promise<number[]>;
  await page.click(token(12));
  await page.click(token(20), { modifiers: ['Shift'] });
  await until(
    async () => (await locked()).join() === '12,20',
    20_000,
    () => 'the strip does not mark both tokens',
  );
  assert.equal(await page.evaluate('getSelection().toString()'), '', 'no text is selected by it');
  for (const panel of ['token-strip', 'eviction-timeline'])
    await until(
      async () => /^2 tokens/.test((await caption(panel))!),
      20_000,
      () => `${panel} speaks of something else`,
    );
  await page.mouse.move(4, 4);
  await page.focus('[data-panel="eviction-timeline"] .kvlab-drawing');
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(`Shift+${key}`);
  await until(
    async () => (await locked()).join() === '20,21,22,23',
    20_000,
    () => 'the selection is not extended',
  );
  const box = await drawing('attention-sinks');
  const head = (column: number, row: number) => [box.x + 22 + 16 * column + 8, box.y + 32 + 14 * row + 4] as const;
  await page.mouse.click(...head(4, 12));
  await page.keyboard.down('Shift');
  await page.mouse.click(...head(6, 12));
  await page.keyboard.up('Shift');
  await page.mouse.move(4, 4);
  await until(
    async () => /2 heads \(\d+\.\d, \d+\.\d\): 0\.\d\d on average\.$/.test((await caption('attention-sinks'))!),
    20_000,
    () => 'the sinks do not speak of both heads',
  );
  assert.equal((await storeHas('locked')).heads.length, 2);
  await page.keyboard.press('Escape');
  await until(
    async () => (await locked()).length === 0,
    20_000,
    () => 'Escape does not clear them',
  );
  await free();
});

test('pointing at a token in one panel brings it into view in the strip, without moving the page', async () => {
  await page.setViewportSize({ width: 800, height: 1500 });
  await settled(page);
  await page.evaluate(`window.page.api.previewSelection(window.page.store, { position: 215 })`);
  await settled(page);
  const visible = await page.evaluate(`(() => {
    const [strip, token] = ['.kvlab-strip', '.kvlab-token[data-position="215"]'].map((s) => document.querySelector(s).getBoundingClientRect());
    return token.top >= strip.top - 1 && token.bottom <= strip.bottom + 1 && document.querySelector('.kvlab-lab').scrollTop === 0;
  })()`);
  assert.equal(visible, true);
  await page.evaluate(`window.page.api.previewSelection(window.page.store, {})`);
  await page.setViewportSize({ width: 1400, height: 1500 });
  await settled(page);
});

test('brushing steps on the axis of memory holds a range, and the tables show its rows alone', async () => {
  const box = await drawing('memory-over-time');
  await page.mouse.move(box.x + 120, box.y + box.height - 20);
  await page.mouse.down();
  await page.mouse.move(box.x + 200, box.y + box.height - 20, { steps: 6 });
  await page.mouse.up();
  await settled(page);
  const { mode, from, to } = await storeHas('clock');
  assert.equal(mode, 'range');
  assert.ok(to - from > 5, `${from} to ${to}`);
  await reads(page, '.kvlab-step', new RegExp(`steps ${from}–${to}`));
  for (const panel of ['eviction-timeline', 'memory-over-time']) {
    await page.focus(`[data-panel="${panel}"] .kvlab-drawing`);
    await page.keyboard.press('t');
    await settled(page);
    const rows = (await page.evaluate(
      `[...document.querySelectorAll('[data-panel="${panel}"] tbody tr')].map((row) => Number(row.cells[0].textContent))`,
    )) as number[];
    assert.ok(rows.length > 0, panel);
    assert.ok(
      rows.every((step) => step >= from && step <= to),
      `${panel}: ${rows.slice(0, 5)}`,
    );
    await page.keyboard.press('t');
  }
  assert.match((await caption('attention-sinks'))!, new RegExp(`^Steps ${from} to ${to}, mean`));
  await free();
});

test('Play walks through the steps of a run that was written, and gives way to whoever takes the time', async () => {
  await page.evaluate(`window.page.api.pinStep(window.page.store, ${steps - 4})`);
  await page.click('.kvlab-play');
  await until(
    async () => (await storeHas('clock')).mode === 'live',
    10_000,
    () => 'it does not come to the end',
  );
  await page.click('.kvlab-play');
  await until(
    async () => (await storeHas('clock')).step >= 2,
    10_000,
    () => 'it does not start from the beginning',
  );
  await page.evaluate(`window.page.api.pinStep(window.page.store, 50)`);
  await until(
    async () => (await page.textContent('.kvlab-play')) === 'Play',
    10_000,
    () => 'it does not give way',
  );
  assert.deepEqual(await storeHas('clock'), { mode: 'pinned', step: 50 });
  await free();
});

test('why: a token that left names the rule, its score and rank, its age, what it had received, and the file that decided', async () => {
  const event = (name: string) => columns[`event.${name}`]!.data;
  const row = event('step').findIndex(
    (step, i) => step > 20 && event('to')[i] === 255 && event('layer')[i] === 3 && event('kvHead')[i] === 1,
  );
  const [position, step] = [event('position')[row]!, event('step')[row]!];
  await page.evaluate(
    `window.page.api.pointAt(window.page.store, ${JSON.stringify({ layer: 3, kvHead: 1, position })})`,
  );
  await settled(page);
  const card = (await page.textContent('.kvlab-card'))!;
  assert.match(card, /Why it left/);
  assert.match(card, new RegExp(`layer 3 kv head 1: left \\w+ at step ${step}`));
  assert.match(card, new RegExp(`rank ${event('rank')[row]! + 1} of \\d+`));
  assert.match(card, /age \d+ tokens; received [\d.]+ in all/);
  await page.click('.kvlab-card .kvlab-file');
  assert.equal(await page.evaluate('window.opened'), 'ops/score/accumulated-attention.ts');
  await free();
});

async function saved(panel: string, id: string): Promise<{ name: string; bytes: Buffer }> {
  await page.focus(`[data-panel="${panel}"] .kvlab-drawing`);
  await page.keyboard.press('e');
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.click(`[data-panel="${panel}"] [data-export="${id}"]`),
  ]);
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

/** What the text chunk `kvlab` of a PNG says. */
function factsOfPng(png: Buffer): Record<string, unknown> {
  const keyword = 'kvlab\0\0\0\0\0';
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const text = png.toString('utf8', at + 8, at + 8 + png.readUInt32BE(at));
    if (png.toString('latin1', at + 4, at + 8) === 'iTXt' && text.startsWith(keyword))
      return JSON.parse(text.slice(keyword.length)) as Record<string, unknown>;
  }
  throw new Error('the picture has no text of kvlab');
}

for (const panel of runPanels.filter((name) => name !== 'quantization-error'))
  test(`${panel}: PNG at twice the size, SVG, CSV and Arrow carry run, model, method, parameters, step and scale`, async () => {
    await page.evaluate(`window.page.api.pinStep(window.page.store, 60)`);
    await settled(page);
    const box = (await (await page.$(`[data-panel="${panel}"]`))!.boundingBox())!;
    const picture = await saved(panel, 'png');
    assert.equal(picture.name, `${panel}-h2o-step-60.png`);
    assert.equal(picture.bytes.readUInt32BE(16), Math.ceil(box.width) * 2);
    const facts = factsOfPng(picture.bytes);
    assert.deepEqual([facts.run, facts.method, facts.step], ['h2o', 'H2O', 60]);
    assert.equal(facts.parameters, 'methods.h2o({ keep: 0.2 })');
    const { bytes: svg } = await saved(panel, 'svg');
    const drawn = svg.toString('utf8');
    assert.ok(drawn.includes('&quot;model&quot;:&quot;SmolLM2-135M'));
    assert.ok(!/<script|<foreignObject| on\w+="/.test(drawn));
    if (panel === 'token-strip' || panel === 'eviction-timeline') assert.ok(drawn.includes('&quot;scale&quot;'));
    const csv = (await saved(panel, 'csv')).bytes.toString('utf8').split('\r\n');
    assert.ok(csv.includes('# method: H2O') && csv.includes('# step: 60'));
    const head = csv.findIndex((line) => !line.startsWith('#'));
    const table = tableFromIPC((await saved(panel, 'arrow')).bytes);
    assert.equal(table.names.join(), csv[head]);
    assert.equal(table.numRows, csv.length - head - 2);
    assert.equal(table.schema.metadata?.get('kvlab.run'), 'h2o');
    await free();
  });

test('the numbers that are saved are the numbers of the run', async () => {
  const table = tableFromIPC((await saved('memory-over-time', 'arrow')).bytes);
  const last = (name: string) => table.getChild(name)!.at(table.numRows - 1);
  assert.equal(last('step'), steps);
  assert.equal(last('bytes_claimed'), columns['bytes.claimed']!.data.at(-1));
  assert.equal(
    last('bytes_held_total'),
    Array.from(columns['bytes.held']!.data)
      .slice(-info.zones.length * byteParts.length)
      .reduce((a, b) => a + b, 0),
  );
  const events = (await saved('eviction-timeline', 'arrow')).bytes;
  assert.equal(tableFromIPC(events).numRows, columns['event.step']!.shape[0]);
});

test('copy as cell writes the TypeScript that makes the run again and points at the same place', async () => {
  await page.evaluate(
    `window.page.api.pointAt(window.page.store, { layer: 12, queryHead: 4, position: 62, step: 40 })`,
  );
  await page.focus('[data-panel="attention-sinks"] .kvlab-drawing');
  await page.keyboard.press('e');
  await page.click('[data-panel="attention-sinks"] [data-export="cell"]');
  let cell = '';
  await until(
    async () => {
      cell = (await page.evaluate('navigator.clipboard.readText()')) as string;
      return cell.includes('lab.generate');
    },
    5000,
    () => 'nothing was copied',
  );
  assert.match(cell, /method: methods\.h2o\(\{ keep: 0\.2 \}\)/);
  assert.match(cell, /sampler: \{"temperature":0\.7\}, seed: 1/);
  assert.match(cell, /lab\.show\("attention-sinks"\)/);
  assert.match(cell, /lab\.point\(\{ panel: "attention-sinks".*position: 62.*step: 40/);
  await free();
});

test('a panel that cannot be drawn says why, and the others go on', async () => {
  await page.evaluate(`(() => {
    const { store, api } = window.page;
    const run = api.shownRun(store);
    window.kept = run.latest.get('heavy.score');
    run.latest.set('heavy.score', { ...window.kept, shape: [NaN], data: { subarray() { throw new Error('damaged'); }, reduce() { throw new Error('damaged'); } } });
    run.version += 1;
    api.changed(store);
  })()`);
  await settled(page);
  assert.match((await page.textContent('[data-panel="heavy-hitters"]'))!, /Could not be drawn.*damaged/);
  assert.match((await caption('eviction-timeline'))!, /^Step/);
  await page.evaluate(`(() => {
    const { store, api } = window.page;
    api.shownRun(store).latest.set('heavy.score', window.kept);
    api.shownRun(store).version += 1;
    api.changed(store);
  })()`);
  await settled(page);
  assert.match((await caption('heavy-hitters'))!, /^5 % of tokens hold/);
});

test('nothing left this machine, no button uploads anything, and nothing failed in the page', async () => {
  assert.deepEqual(requests, []);
  assert.equal(
    await page.evaluate(`document.querySelectorAll('.modebar, [data-title*="loud"], [data-title*="Plotly"]').length`),
    0,
  );
  assert.deepEqual(errors, []);
});
