/** A saved notebook shows its finished runs from their bundles, and a hostile bundle draws an error and nothing else. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { methods } from '@kvlab/ops';
import { bundleMime } from 'kvlab/frame';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { compare } from '../../kernel/src/engine/run/compare.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';
import { bundleOf } from '../panels/packed-frames.ts';
import { openRealLab, pictures, type RealLab, runCommand, settled, until } from './real-lab.ts';

let lab: RealLab;
const sound = bundleOf({ layers: 6, queryHeads: 9, kvHeads: 3, steps: 60 });
const hostile = {
  ...sound,
  header: {
    ...sound.header,
    info: { ...sound.header.info!, title: '<img src=x onerror="window.broken=1">' },
    texts: sound.header.texts.map(() => ({ text: '<script>window.broken=1</script><b>x</b>' })),
  },
};

/** A comparison with the runs of its lanes, as a cell leaves it. */
async function savedComparison(): Promise<unknown> {
  const model = await loadTiny('wasm');
  let ids = 0;
  const stage = { newId: () => `run-${ids++}`, now: () => 0, publish: () => undefined };
  const options = { methods: [methods.h2o({ keep: 0.3 }), methods.streamingLLM({ recent: 20 })], maxTokens: 12 };
  const compared = await compare(model, tinyIds.slice(0, 60), options, stage);
  const { bundle } = await runBundle(compared.snapshot(), compared.runs());
  await model.release();
  return bundle[bundleMime];
}

before(async () => {
  const comparison = await savedComparison();
  lab = await openRealLab('saved.ipynb', (folder) => {
    const output = (bundle: unknown) => ({
      output_type: 'display_data',
      metadata: {},
      data: { [bundleMime]: bundle, 'text/plain': 'a run' },
    });
    const cell = (id: string, bundle: unknown) => ({
      cell_type: 'code',
      id,
      metadata: {},
      execution_count: 1,
      outputs: [output(bundle)],
      source: '',
    });
    const notebook = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: 'kvlab', display_name: 'kvlab', language: 'typescript' } },
      cells: [
        cell('sound', sound),
        cell('hostile', hostile),
        cell('broken', { ...sound, version: 99 }),
        cell('comparison', comparison),
      ],
    };
    writeFileSync(join(folder, 'saved.ipynb'), JSON.stringify(notebook));
  });
});
after(() => lab?.close());

test('the panels of a saved run are drawn in its output cell, two of them at first', async () => {
  const { page } = lab;
  await until(
    () =>
      page.evaluate(`document.querySelector('.kvlab-bundle [data-panel="memory-over-time"]').dataset.bytesHeld > 0`),
    30_000,
    () => 'the saved run is not drawn',
  );
  await settled(page);
  await (await page.$('.kvlab-bundle'))!.screenshot({ path: join(pictures, 'saved-run-small.png') });
  for (const button of await page.$$('.kvlab-all-panels')) await button.click();
  await until(
    () =>
      page.evaluate(`document.querySelectorAll('.kvlab-bundle .kvlab-token').length >= ${sound.header.texts.length}`),
    30_000,
    () => 'the saved run is not drawn',
  );
  await settled(page);
  await (await page.$('.kvlab-bundle'))!.screenshot({ path: join(pictures, 'saved-run.png') });
  assert.match((await page.textContent('.kvlab-bundle .kvlab-state'))!, /^saved run/);
});

test('markup in titles and tokens stays text', async () => {
  const { page } = lab;
  await (await page.$$('.jp-Cell'))[1]!.scrollIntoViewIfNeeded();
  await until(
    () => page.evaluate(`document.querySelectorAll('.kvlab-bundle').length >= 2`),
    20_000,
    () => 'the second saved run is not drawn',
  );
  await settled(page);
  assert.equal(await page.evaluate('window.broken'), undefined);
  assert.equal(
    await page.evaluate(
      `document.querySelectorAll('.kvlab-bundle img, .kvlab-bundle script, .kvlab-bundle b:not(.kvlab-slot > b)').length`,
    ),
    0,
  );
});

test('a bundle that is not understood says why', async () => {
  const { page } = lab;
  await (await page.$$('.jp-Cell'))[2]!.scrollIntoViewIfNeeded();
  await until(
    async () => /version is 99, this reader knows 1/.test((await page.textContent('.jp-Notebook')) ?? ''),
    20_000,
    () => 'no message is shown',
  );
});

test('a saved comparison opens with what each method kept, and another method is shown where it is chosen', async () => {
  const { page } = lab;
  await (await page.$$('.jp-Cell'))[3]!.scrollIntoViewIfNeeded();
  const inside = (part: string) => page.locator(`.kvlab-bundle-lanes ${part}`);
  const fewer = inside('.kvlab-all-panels[aria-expanded="true"]');
  if (await fewer.count()) await fewer.click();
  await inside('[data-panel="compare"]').waitFor();
  const timeline = inside('[data-panel="eviction-timeline"] .kvlab-caption');
  // Panels out of sight are not drawn.
  const says = (words: RegExp) =>
    until(
      async () => {
        await timeline.scrollIntoViewIfNeeded();
        return words.test((await timeline.textContent()) ?? '');
      },
      30_000,
      () => 'the timeline does not show the method',
    ).catch(async (error: Error) => assert.fail(`${error.message}; it says: ${await timeline.textContent()}`));
  await says(/H2O/);
  await inside('.kvlab-run-chooser').selectOption({ label: await labelOf('StreamingLLM') });
  await says(/StreamingLLM/);
  const entries = Number(await inside('[data-panel="eviction-timeline"]').getAttribute('data-entries'));
  assert.ok(entries > 0 && entries < 72 * 6, `${entries} entries`);
  await inside('[data-panel="compare"] button[value="maps"]').click();
  // Maps of both methods cover most of the plot; curves are a few lines.
  const covered = `(() => {
    const { width, height } = document.querySelector('.kvlab-bundle-lanes [data-panel="compare"] canvas');
    const context = document.querySelector('.kvlab-bundle-lanes [data-panel="compare"] canvas').getContext('2d');
    const { data } = context.getImageData(0, 0, width, height);
    let inked = 0;
    for (let i = 3; i < data.length; i += 4) inked += data[i] > 0 ? 1 : 0;
    return inked / (width * height);
  })()`;
  await until(
    async () => Number(await page.evaluate(covered)) > 0.3,
    30_000,
    () => 'the survival maps are not drawn',
  );
  await settled(page);
  assert.match((await inside('.kvlab-state').textContent())!, /^saved run/);
  await (await page.$('.kvlab-bundle-lanes'))!.screenshot({ path: join(pictures, 'saved-comparison.png') });

  async function labelOf(method: string): Promise<string> {
    const labels = await inside('.kvlab-run-chooser option').allTextContents();
    return labels.find((label) => label.includes(method)) ?? assert.fail(`no run of ${method} among ${labels}`);
  }
});

test('a saved run inside its cell is drawn anew in the colours of another theme', async () => {
  const { page } = lab;
  const drawing = page.locator('.kvlab-bundle [data-panel="eviction-timeline"]').first();
  await drawing.scrollIntoViewIfNeeded();
  const ramp = '.kvlab-bundle [data-panel="eviction-timeline"] .kvlab-key-ramp';
  const colours = () => page.evaluate(`document.querySelector('${ramp}').style.backgroundImage`) as Promise<string>;
  const light = await colours();
  assert.match(light, /rgb\(255, 255, 255\)/);
  for (const [theme, ground] of [
    ['JupyterLab Dark', 'rgb(33, 33, 33)'],
    ['JupyterLab Light', 'rgb(255, 255, 255)'],
  ] as const) {
    await runCommand(page, 'apputils:change-theme', { theme });
    await until(
      async () => (await colours()).includes(ground),
      60_000,
      () => `the saved run is not drawn in ${theme}`,
    ).catch(async (error: Error) => assert.fail(`${error.message}: ${await colours()}`));
  }
});

test('no request left this machine', () => assert.deepEqual(lab.outside, []));
