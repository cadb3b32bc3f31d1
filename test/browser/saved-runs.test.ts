/** A saved notebook shows its finished runs from their bundles, and a hostile bundle draws an error and nothing else. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundleMime } from 'kvlab/frame';
import { bundleOf } from '../panels/packed-frames.ts';
import { openRealLab, pictures, type RealLab, settled, until } from './real-lab.ts';

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

before(async () => {
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
      cells: [cell('sound', sound), cell('hostile', hostile), cell('broken', { ...sound, version: 99 })],
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

test('no request left this machine', () => assert.deepEqual(lab.outside, []));
