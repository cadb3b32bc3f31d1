/** Saved runs from anybody, in a page that forbids foreign scripts: sound ones are drawn, hostile ones say why they are not. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundleMime } from 'kvlab/frame';
import type { Browser, Page } from 'playwright-core';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { bundleOfMarkup, hostileBundles } from '../panels/hostile-bundles.ts';
import { recordedSnapshot } from '../panels/replayed.ts';
import { launchBrowser, openRealLab, pictures, settled, until } from './real-lab.ts';
import { serveStrictPage } from './strict-page.ts';

const recorded = (await runBundle(recordedSnapshot('h2o'))).bundle[bundleMime];

let server: Awaited<ReturnType<typeof serveStrictPage>>;
let browser: Browser;
let page: Page;
const outside: string[] = [];
const errors: string[] = [];

before(async () => {
  server = await serveStrictPage();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1048, height: 1100 } });
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    if (/^(https?|wss?):/.test(request.url()) && !request.url().startsWith(server.url)) outside.push(request.url());
  });
  await page.goto(server.url);
  await page.evaluate('window.ready');
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** In the page a bundle is what JSON gives: a cycle cannot arrive there, and `undefined` is a missing field. */
const show = (bundle: unknown) => page.evaluate(`window.show(JSON.parse(${JSON.stringify(JSON.stringify(bundle))}))`);

test('under script-src self the built extension draws a recorded run, and violates nothing', async () => {
  await show(recorded);
  await page.click('.kvlab-all-panels');
  await settled(page);
  const drawn = (await page.evaluate(
    `[...document.querySelectorAll('.kvlab-panel')].filter((p) => p.offsetParent && p.querySelector('svg, canvas, .kvlab-token')).length`,
  )) as number;
  assert.ok(drawn >= 5, `${drawn} panels are drawn`);
  assert.ok((await page.$$('.kvlab-axes .xtick')).length > 4, 'axes are drawn');
  await page.screenshot({ path: join(pictures, 'strict-page.png') });
  assert.deepEqual(await page.evaluate('window.violations'), []);
});

test('markup in every word of a run is shown as text', async () => {
  await show(bundleOfMarkup);
  await page.click('.kvlab-all-panels');
  await settled(page);
  assert.match((await page.textContent('.kvlab-bundle'))!, /<script>window\.broken/);
  assert.equal(
    await page.evaluate(`document.querySelectorAll('.kvlab-bundle :is(script, img, iframe, a[href])').length`),
    0,
  );
  await page.hover('.kvlab-token[data-position="4"]');
  await page.click('.kvlab-token[data-position="4"]');
  await settled(page);
  await page.screenshot({ path: join(pictures, 'hostile-markup.png') });
  assert.equal(await page.evaluate('window.broken'), undefined);
});

const arrives = ([, bundle]: (typeof hostileBundles)[number]) => {
  try {
    return JSON.stringify(bundle).length < 2 ** 22;
  } catch {
    return false;
  }
};

test('each hostile bundle draws what is wrong with it and nothing else', async () => {
  for (const [what, bundle, message] of hostileBundles.filter(arrives)) {
    await show(bundle);
    const said = (await page.textContent('.kvlab-bundle')) ?? '';
    assert.match(said, /^✕ This saved run is not shown/, what);
    assert.match(said, message, what);
    assert.equal(await page.$('.kvlab-bundle .kvlab-lab'), null, what);
  }
  await page.screenshot({ path: join(pictures, 'hostile-bundle.png'), clip: { x: 0, y: 0, width: 1048, height: 120 } });
  assert.equal(await page.evaluate('window.broken'), undefined);
});

test('nothing was violated, nothing failed, no request left the page', async () => {
  assert.deepEqual(await page.evaluate('window.violations'), []);
  assert.deepEqual(errors, []);
  assert.deepEqual(outside, []);
});

test('in JupyterLab, whose own files need more than script-src self, ours do not', async (t) => {
  const lab = await openRealLab('saved.ipynb', (folder) => {
    const bundles = [recorded, bundleOfMarkup, hostileBundles.find(([what]) => what === 'a seed that is code')![1]];
    const cells = bundles.map((bundle, i) => ({
      cell_type: 'code',
      id: `saved-${i}`,
      metadata: {},
      execution_count: 1,
      outputs: [{ output_type: 'display_data', metadata: {}, data: { [bundleMime]: bundle, 'text/plain': 'a run' } }],
      source: '',
    }));
    const kernelspec = { name: 'kvlab', display_name: 'kvlab', language: 'typescript' };
    const notebook = { nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells };
    writeFileSync(join(folder, 'saved.ipynb'), JSON.stringify(notebook));
  });
  t.after(() => lab.close());
  const violations: { directive: string; file: string }[] = [];
  await lab.page.exposeFunction('violated', (directive: string, file: string) => violations.push({ directive, file }));
  await lab.page.addInitScript(`document.addEventListener('securitypolicyviolation', (event) =>
    window.violated(event.effectiveDirective + ' ' + event.blockedURI, event.sourceFile))`);
  await lab.page.route(/\/lab(\/tree\/.*)?(\?.*)?$/, async (route) => {
    const response = await route.fetch();
    const headers = { ...response.headers(), 'content-security-policy-report-only': "script-src 'self'" };
    await route.fulfill({ response, headers });
  });
  await lab.page.reload();
  await until(
    () => lab.page.evaluate(`document.querySelectorAll('.jp-Notebook .kvlab-lab').length === 2`),
    60_000,
    () => 'the saved runs are not drawn',
  );
  await settled(lab.page);
  await lab.page.screenshot({ path: join(pictures, 'hostile-in-jupyterlab.png') });
  assert.equal((await lab.page.$$('.kvlab-not-shown')).length, 1);
  assert.equal(await lab.page.evaluate('window.broken'), undefined);
  t.diagnostic(
    `JupyterLab itself: ${[...new Set(violations.map(({ directive, file }) => `${directive} in ${file}`))].join('; ')}`,
  );
  assert.ok(violations.length > 0, 'the policy is in force, or JupyterLab needs nothing beyond it any more');
  assert.deepEqual(
    violations.filter(({ file }) => /extensions\/@kvlab/.test(file)),
    [],
  );
  assert.deepEqual(lab.outside, []);
});
