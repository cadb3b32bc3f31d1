/** Lesson 1 in the real JupyterLab with the real model: panels draw while cells run, and end at the runs' own tables. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  cellOutputs,
  openRealLab,
  type RealLab,
  runCommand,
  runPanels,
  settled,
  takePictures,
  until,
} from './real-lab.ts';

const lesson = join(import.meta.dirname, '../../notebooks/01-what-the-cache-holds.ipynb');

interface Facts {
  method: string;
  tokens: number;
  held: number;
  claimed: number;
  sinkShare: number;
  unheld: number;
}

/** Added before the lesson's last cell: a run that quantizes, and what each run says of itself in its tables. */
const added = `
const packed = await lab.generate(model, prompt, { method: methods.kivi({ bits: 2, group: 32, residual: 32 }), maxTokens: 24 });
for (const run of [full, short, packed]) {
  const tokens = (await run.table('tokens')).objects() as { kept: number }[];
  const attention = (await run.table('attention')).objects() as { step: number; sink_mass: number }[];
  const last = attention.filter((row) => row.step === attention[attention.length - 1].step);
  console.log('facts ' + JSON.stringify({
    method: run.method.name,
    tokens: tokens.length,
    held: run.bytes().held.total,
    claimed: run.bytes().claimed,
    sinkShare: last.filter((row) => row.sink_mass > 0.3).length / last.length,
    unheld: tokens.filter((token) => token.kept === 0).length,
  }));
}`;

let lab: RealLab;
let facts: Facts[];

before(async () => {
  lab = await openRealLab('lesson.ipynb', (folder) => {
    const notebook = JSON.parse(readFileSync(lesson, 'utf8')) as { cells: Record<string, unknown>[] };
    const cell = { cell_type: 'code', id: 'facts', metadata: {}, execution_count: null, outputs: [], source: added };
    notebook.cells.splice(-1, 0, cell);
    writeFileSync(join(folder, 'lesson.ipynb'), JSON.stringify(notebook));
  });
  await runCommand(lab.page, 'application:toggle-left-area');
});
after(() => lab?.close());

test('the lesson opens the lab and runs to its end, and at least ten different frames are drawn before a cell ends', async () => {
  const { page } = lab;
  await page.evaluate(`(() => {
    window.drawnWhileBusy = new Set();
    new MutationObserver(() => {
      const lab = document.querySelector('.kvlab-widget .kvlab-lab');
      const busy = [...document.querySelectorAll('.jp-InputPrompt')].some((prompt) => prompt.textContent.includes('*'));
      if (busy && lab?.dataset.state === 'running') window.drawnWhileBusy.add(lab.dataset.run + ' step ' + lab.dataset.step);
    }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-frames-drawn'] });
  })()`);
  await runCommand(page, 'notebook:run-all-cells');
  const printed = `(document.querySelector('.jp-Notebook').textContent.match(/facts \\{[^}]*\\}/g) ?? [])`;
  const ended = `[...document.querySelectorAll('.jp-InputPrompt')].every((prompt) => !prompt.textContent.includes('*'))`;
  await until(
    () => page.evaluate(`${printed}.length === 3 && ${ended}`),
    400_000,
    () => 'the lesson does not end',
  ).catch(async (error: Error) => assert.fail(`${error.message}; the cells say: ${await cellOutputs(page)}`));
  await settled(page);
  facts = ((await page.evaluate(printed)) as string[]).map((text) => JSON.parse(text.slice('facts '.length)));
  const drawn = (await page.evaluate('[...window.drawnWhileBusy]')) as string[];
  assert.ok(drawn.length >= 10, `${drawn.length} frames were drawn while cells ran: ${drawn}`);
  assert.equal(await page.evaluate(`document.querySelectorAll('.kvlab-widget .kvlab-run-chooser option').length`), 3);
});

test('the lesson opens the lab for students: it says so, hides other controls, and gives them where they are asked for', async () => {
  const { page } = lab;
  const range = page.locator('.kvlab-widget .kvlab-range');
  assert.equal(await page.locator('.kvlab-widget .kvlab-depth').inputValue(), 'student');
  assert.equal(await range.isVisible(), false);
  await page.locator('.kvlab-widget .kvlab-depth').selectOption('teacher');
  await range.waitFor({ state: 'visible' });
  await page.locator('.kvlab-widget .kvlab-depth').selectOption('student');
  await range.waitFor({ state: 'hidden' });
});

for (const [i, name] of ['the full cache', 'H2O', 'KIVI'].entries())
  test(`the panels show the numbers of ${name}: tokens, sink share, bytes`, async () => {
    const { page } = lab;
    const own = facts[i]!;
    const options = (await page.evaluate(
      `[...document.querySelectorAll('.kvlab-widget .kvlab-run-chooser option')].map((o) => o.value).reverse()`,
    )) as string[];
    await page.selectOption('.kvlab-widget .kvlab-run-chooser', options[i]!);
    await settled(page);
    const shown = async (panel: string) =>
      (await page.evaluate(
        `({ ...document.querySelector('.kvlab-widget [data-panel="${panel}"]').dataset })`,
      )) as Record<string, string>;
    assert.equal(Number((await shown('token-strip')).tokens), own.tokens);
    assert.equal(Number((await shown('token-strip')).unheld), own.unheld);
    assert.ok(Math.abs(Number((await shown('attention-sinks')).sinkShare) - own.sinkShare) < 1e-6);
    assert.equal(Number((await shown('memory-over-time')).bytesHeld), own.held);
    assert.equal(Number((await shown('memory-over-time')).bytesClaimed), own.claimed);
    assert.match(
      (await page.textContent('.kvlab-widget [data-panel="memory-over-time"] .kvlab-caption'))!,
      new RegExp((own.held / 2 ** 20).toFixed(2)),
    );
    for (const theme of ['light', 'dark'] as const)
      await takePictures(page, theme, runPanels, `lesson-${own.method.toLowerCase()}`);
  });

test('no request left this machine, and nothing failed in the page', () => {
  assert.deepEqual(lab.outside, []);
  assert.deepEqual(lab.errors, []);
});
