/** A change of theme, as JupyterLab makes it: the name first, its colours with a style sheet that comes later. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, settled, until } from './real-lab.ts';

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
let page: Page;
let release: () => void = () => undefined;

before(async () => {
  server = await servePanels();
  browser = await launchBrowser();
  page = await browser.newPage({ viewport: { width: 1048, height: 900 } });
  // The colours of the dark theme wait until the test lets them come.
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route('**/dark.css', async (route) => {
    await held;
    await route.fulfill({ contentType: 'text/css', body: 'body { --jp-layout-color1: #212121 !important }' });
  });
  await page.goto(server.url);
  // Nothing tells of the change but the sheet: no attribute of the page names a ground, and nothing is in transition.
  await page.addStyleTag({
    content: `body[data-jp-theme-light] { --jp-layout-color1: #ffffff } .kvlab-lab { transition: none !important }`,
  });
  await page.evaluate(`(${mountScript})(${JSON.stringify({ recorded: 'h2o' })})`);
  await settled(page);
});
after(async () => {
  release();
  await browser?.close();
  await server?.close();
});

/** The ramps of the legends, each in the colours with which its panel was drawn. */
const grounds = async () => [
  ...new Set(
    (await page.evaluate(
      `[...document.querySelectorAll('.kvlab-panel:not(.kvlab-is-missing) .kvlab-key-ramp')].map((ramp) => ramp.style.backgroundImage)`,
    )) as string[],
  ),
];

/** A theme of JupyterLab: its name, then its sheet, and then the page hides itself until the next frame. */
const change = (name: string, sheet: string) => `(() => {
  Object.assign(document.body.dataset, { jpThemeName: '${name}', jpThemeLight: String(${JSON.stringify(name)}.includes('Light')) });
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: '${sheet}' });
  const page = document.getElementById('lab');
  link.onload = () => {
    page.style.display = 'none';
    requestAnimationFrame(() => { page.style.display = ''; });
  };
  document.body.append(link);
})()`;

test('a lab is drawn in the colours of a theme whose style sheet comes after its name, also outside of any transition', async () => {
  const light = await grounds();
  await page.evaluate(change('JupyterLab Dark', '/dark.css'));
  await settled(page);
  assert.equal(light.length, 1);
  assert.deepEqual(await grounds(), light, 'the name alone brings no colours');
  release();
  await until(
    async () => (await grounds()).every((ground) => ground.includes('rgb(33, 33, 33)')),
    30_000,
    () => 'the lab is still drawn in the colours before',
  );
  const paper = await page.evaluate(
    `getComputedStyle(document.querySelector('.kvlab-lab')).getPropertyValue('--jp-layout-color1').trim()`,
  );
  assert.equal(paper, '#212121');
});
