/** What drawing costs at 30 layers, 9 query heads and 2,048 tokens, replayed at ten frames a second in the real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { servePanels } from './panel-page.ts';
import { launchBrowser, settled, until } from './real-lab.ts';

const steps = 96;
const framesPerSecond = 10;
/** The limits were set on one machine; others, as those that test every change, are up to this many times slower. */
const patience = 2;

interface Figures {
  /** Milliseconds of each redraw, by panel. */
  draws: Record<string, number[]>;
  /** Largest number of steps that a panel was behind. */
  behind: Record<string, number>;
  receiveMs: number[];
  wallMs: number;
  longTasks: number[];
  firstPanelMs: number;
}

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
let page: Page;
let session: CDPSession;
const errors: string[] = [];

before(async () => {
  server = await servePanels();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1048, height: 2600 } });
  page.on('pageerror', (error) => errors.push(error.message));
  session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  await page.goto(server.url);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Runs in the page: feeds the frames of a run at a rate and watches what drawing costs. */
const replay = `async ({ method, steps, every }) => {
  const { createLab } = await import('/lab-extension/lib/lab/lab.js');
  const api = await import('/lab-extension/lib/store/store.js');
  const bytes = await (await fetch('/frames?' + new URLSearchParams({ method, steps, tellings: 14, lean: 1 }))).arrayBuffer();
  const view = new DataView(bytes);
  const frames = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const [headerLength, bufferLength] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, at + 8, headerLength)));
    frames.push([header, bytes.slice(at + 8 + headerLength, at + 8 + headerLength + bufferLength)]);
    at += 8 + headerLength + bufferLength;
  }
  const store = api.createStore();
  const start = performance.now();
  const lab = createLab(store);
  document.getElementById('lab').replaceChildren(lab.node);
  window.speed = { store, api, lab, frames };
  const figures = { draws: {}, behind: {}, receiveMs: [], wallMs: 0, longTasks: [], firstPanelMs: NaN };
  const seen = new Map();
  const look = () => {
    for (const panel of lab.node.querySelectorAll('.kvlab-panel')) {
      const { panel: id, drawn, drawMs, step } = panel.dataset;
      if (drawn === undefined || seen.get(id) === drawn) continue;
      if (!figures.firstPanelMs && drawn) figures.firstPanelMs = performance.now() - start;
      seen.set(id, drawn);
      if (store.runs.size) (figures.draws[id] ??= []).push(Number(drawMs));
    }
    for (const panel of lab.node.querySelectorAll('.kvlab-panel[data-step]')) {
      const run = api.shownRun(store);
      if (run && panel.dataset.step) figures.behind[panel.dataset.panel] = Math.max(figures.behind[panel.dataset.panel] ?? 0, run.step - Number(panel.dataset.step));
    }
    if (!done) requestAnimationFrame(look);
  };
  let done = false;
  requestAnimationFrame(look);
  // Two steps and their first drawing are the first paint: plotly loads, code is compiled.
  for (const [header, buffer] of frames.slice(0, 3)) {
    api.receiveFrame(store, header, buffer);
    await new Promise((next) => setTimeout(next, 1000));
  }
  const observer = new PerformanceObserver((list) => { for (const entry of list.getEntries()) figures.longTasks.push(entry.duration); });
  observer.observe({ entryTypes: ['longtask'] });
  for (const id of Object.keys(figures.draws)) figures.draws[id] = [];
  figures.behind = {};
  const from = performance.now();
  for (const [i, [header, buffer]] of frames.slice(3).entries()) {
    const wait = from + i * every - performance.now();
    if (wait > 0) await new Promise((next) => setTimeout(next, wait));
    const before = performance.now();
    api.receiveFrame(store, header, buffer);
    figures.receiveMs.push(performance.now() - before);
  }
  await new Promise((next) => setTimeout(next, every));
  figures.wallMs = performance.now() - from;
  done = true;
  observer.disconnect();
  return figures;
}`;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Runs in the page: how many times longer than on a free machine a task takes here, usually and at worst of a hundred. */
const stretched = `async () => {
  const spin = () => { const from = performance.now(); let x = 0; for (let i = 0; i < 4e6; i++) x += Math.sqrt(i); return performance.now() - from + (x < 0 ? 1 : 0); };
  const times = [];
  for (let i = 0; i < 100; i++) { times.push(spin()); await new Promise((next) => setTimeout(next, 10)); }
  times.sort((a, b) => a - b);
  return { usual: times[50] / times[0], worst: times.at(-1) / times[0] };
}`;

interface Stretch {
  usual: number;
  worst: number;
}

const tooLong = ({ longTasks }: Figures, { worst }: Stretch): number[] =>
  longTasks.filter((ms) => ms > 100 * patience * worst);

const tooSlow = ({ draws }: Figures, { usual }: Stretch): string[] =>
  Object.entries(draws)
    .filter(([, ms]) => median(ms) > 16 * patience * usual)
    .map(([panel, ms]) => `${panel}: ${median(ms).toFixed(1)} ms`);

async function replayed(method: string): Promise<Figures> {
  return (await page.evaluate(
    `(${replay})(${JSON.stringify({ method, steps, every: 1000 / framesPerSecond })})`,
  )) as Figures;
}

for (const method of ['h2o', 'kivi', 'quest'])
  test(`${method}: panels redraw fast, all of them in half of the main thread, without a long task`, async () => {
    let figures = await replayed(method);
    // Other programs of the machine make tasks long too: what is ours is long every time, and longer than mere waiting.
    let stretch = await page.evaluate<Stretch>(`(${stretched})()`);
    for (let round = 1; round < 3 && tooLong(figures, stretch).length + tooSlow(figures, stretch).length; round++) {
      figures = await replayed(method);
      stretch = await page.evaluate<Stretch>(`(${stretched})()`);
    }
    const drawing =
      Object.values(figures.draws)
        .map(sum)
        .reduce((a, b) => a + b, 0) + sum(figures.receiveMs);
    const rows = Object.entries(figures.draws).map(([panel, ms]) => ({
      panel,
      draws: ms.length,
      'median ms': Number(median(ms).toFixed(1)),
      'largest ms': Number(Math.max(...ms, 0).toFixed(1)),
      'steps behind': figures.behind[panel] ?? 0,
    }));
    console.log(`${method}, 30 x 9 x ${1930 + steps} tokens, ${framesPerSecond} frames/s`);
    console.table(rows);
    const share = drawing / figures.wallMs;
    console.log(
      `main thread ${(100 * share).toFixed(0)} %, a frame taken in in ${median(figures.receiveMs).toFixed(1)} ms (median), tasks over 50 ms: ${figures.longTasks.map((ms) => ms.toFixed(0)).join(', ') || 'none'} (other programs stretch tasks ${stretch.usual.toFixed(1)} times, up to ${stretch.worst.toFixed(1)}); first panel after ${figures.firstPanelMs.toFixed(0)} ms`,
    );
    for (const { panel, draws } of rows) assert.ok(draws > 0, `${panel} was drawn`);
    assert.deepEqual(tooSlow(figures, stretch), [], `redraws over ${16 * patience} ms`);
    assert.ok(share <= 0.5, `${(100 * share).toFixed(0)} % of the main thread`);
    assert.ok(figures.firstPanelMs <= 1000 * patience * stretch.usual, `first panel after ${figures.firstPanelMs} ms`);
    assert.deepEqual(tooLong(figures, stretch), [], `tasks over ${(100 * patience * stretch.worst).toFixed(0)} ms`);
  });

async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')!.value;
}

const openAndClose = `async (times) => {
  const { createLab } = await import('/lab-extension/lib/lab/lab.js');
  const { store } = window.speed;
  for (let i = 0; i < times; i++) {
    const lab = createLab(store);
    document.getElementById('lab').replaceChildren(lab.node);
    lab.redraw();
    for (let frame = 0; frame < 4; frame++) await new Promise(requestAnimationFrame);
    lab.dispose();
  }
}`;

test('the heap stays flat over 50 times opening and closing the lab', async () => {
  await page.evaluate(`window.speed.lab.dispose()`);
  await page.evaluate(`(${openAndClose})(5)`);
  const before = await heapBytes();
  await page.evaluate(`(${openAndClose})(50)`);
  const after = await heapBytes();
  console.log(`heap ${(before / 2 ** 20).toFixed(1)} MiB before, ${(after / 2 ** 20).toFixed(1)} MiB after 50 labs`);
  assert.ok(after - before < 50 * 40_000, `${after - before} bytes more`);
});

test('the heap stays flat over 2,000 steps', async () => {
  await page.evaluate(`(async () => {
    const { createLab } = await import('/lab-extension/lib/lab/lab.js');
    const { speed } = window;
    speed.lab = createLab(speed.store);
    document.getElementById('lab').replaceChildren(speed.lab.node);
    speed.again = async (times) => {
      for (let i = 0; i < times; i++)
        for (const [header, buffer] of speed.frames) {
          speed.api.receiveFrame(speed.store, header, buffer);
          if (header.step % 16 === 0) await new Promise(requestAnimationFrame);
        }
    };
    await speed.again(3);
  })()`);
  const before = await heapBytes();
  await page.evaluate(`window.speed.again(${Math.ceil(2000 / steps)})`);
  await until(
    async () => (await page.getAttribute('.kvlab-lab', 'data-step')) === String(steps),
    20_000,
    () => 'the last step is not drawn',
  );
  await settled(page);
  const after = await heapBytes();
  console.log(
    `heap ${(before / 2 ** 20).toFixed(1)} MiB before, ${(after / 2 ** 20).toFixed(1)} MiB after 2,000 steps`,
  );
  assert.ok(after - before < 8 * 2 ** 20, `${after - before} bytes more`);
});

test('nothing failed in the page', () => assert.deepEqual(errors, []));
