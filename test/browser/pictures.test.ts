/** Each panel in light, dark and narrow form beside the picture of it that was looked at, from recorded runs.
 *
 *  `KVLAB_PICTURES=write` takes new pictures; look at every one at its real size before it is committed. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { RecordedName } from '../panels/replayed.ts';
import { mountScript, servePanels } from './panel-page.ts';
import { launchBrowser, pictures as output, settled } from './real-lab.ts';

const folder = join(import.meta.dirname, 'pictures');
const writing = process.env.KVLAB_PICTURES === 'write';
/** Share of the picture that may look different: letters lie differently on other machines, marks do not. */
const tolerance = 0.02;

interface Shot {
  panel: string;
  /** What it shows, where that is not what it shows first. */
  of?: string;
  /** It needs the width: a narrow panel does not show it. */
  wide?: true;
  recorded: RecordedName;
  /** What is pointed at, run in the page. */
  pointing?: string;
}
/** Presses a switch of the enlarged panel, once. */
const pressed = (words: string): string =>
  `[...document.querySelectorAll('.kvlab-whole button')].find((b) => b.textContent === '${words}' && b.ariaPressed !== 'true')?.click()`;
const shots: readonly Shot[] = [
  { panel: 'token-strip', recorded: 'h2o', pointing: 'api.lockSelection(store, { position: 62 })' },
  { panel: 'attention-sinks', recorded: 'h2o', pointing: 'api.lockSelection(store, { layer: 22, queryHead: 1 })' },
  { panel: 'eviction-timeline', recorded: 'h2o' },
  { panel: 'memory-over-time', recorded: 'h2o', pointing: 'api.holdRange(store, 20, 50)' },
  { panel: 'heavy-hitters', recorded: 'h2o', pointing: 'api.lockSelection(store, { position: 38 })' },
  { panel: 'quantization-error', recorded: 'kivi' },
  { panel: 'sparse-reads', recorded: 'quest' },
  { panel: 'compare', recorded: 'comparison' },
  { panel: 'memory-graph', recorded: 'tree' },
  { panel: 'memory-over-time', of: 'parts', recorded: 'h2o', pointing: pressed('Parts') },
  { panel: 'heavy-hitters', of: 'ranks', wide: true, recorded: 'h2o', pointing: pressed('Ranks') },
];
const forms = [
  { form: 'light', width: 760, height: 440, light: 'true', theme: 'JupyterLab Light', paper: '#ffffff' },
  { form: 'dark', width: 760, height: 440, light: 'false', theme: 'JupyterLab Dark', paper: '#212121' },
  { form: 'narrow', width: 360, height: 440, light: 'true', theme: 'JupyterLab Light', paper: '#ffffff' },
] as const;

let server: Awaited<ReturnType<typeof servePanels>>;
let browser: Browser;
const pages = new Map<RecordedName, Page>();
const errors: string[] = [];

before(async () => {
  mkdirSync(folder, { recursive: true });
  mkdirSync(output, { recursive: true });
  server = await servePanels();
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

async function pageOf(recorded: RecordedName): Promise<Page> {
  const known = pages.get(recorded);
  if (known) return known;
  const page = await browser.newPage({ viewport: { width: 760, height: 440 } });
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(server.url);
  // A panel has the whole page: what the header says of the run must not move it.
  await page.addStyleTag({ content: '.kvlab-header { display: none !important }' });
  await page.evaluate(`(${mountScript})(${JSON.stringify({ recorded })})`);
  pages.set(recorded, page);
  return page;
}

async function take({ panel, recorded, pointing }: Shot, form: (typeof forms)[number]): Promise<Buffer> {
  const page = await pageOf(recorded);
  await page.setViewportSize({ width: form.width, height: form.height });
  await page.evaluate(`(() => {
    Object.assign(document.body.dataset, { jpThemeLight: '${form.light}', jpThemeName: '${form.theme}' });
    document.body.style.setProperty('--jp-layout-color1', '${form.paper}');
    const { store, api, lab } = window.page;
    api.clearSelection(store);
    api.goLive(store);
    lab.enlarge('${panel}');
    ${pointing ?? ''};
  })()`);
  await page.mouse.move(-10, -10);
  await settled(page);
  return (await page.$(`[data-panel="${panel}"]`))!.screenshot();
}

/** Share of cells of 4 x 4 pixels whose mean colour differs by more than a twelfth of the scale. */
const compareInPage = `async ([a, b]) => {
  const cells = async (base64) => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + base64;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = Math.floor(image.naturalWidth / 4);
    canvas.height = Math.floor(image.naturalHeight / 4);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  };
  const [one, other] = [await cells(a), await cells(b)];
  if (one.width !== other.width || one.height !== other.height) return 1;
  let different = 0;
  for (let i = 0; i < one.data.length; i += 4)
    if ([0, 1, 2].some((c) => Math.abs(one.data[i + c] - other.data[i + c]) > 21)) different += 1;
  return different / (one.data.length / 4);
}`;

async function difference(a: Buffer, b: Buffer): Promise<number> {
  const page = await pageOf('h2o');
  const images = JSON.stringify([a.toString('base64'), b.toString('base64')]);
  return (await page.evaluate(`(${compareInPage})(${images})`)) as number;
}

for (const shot of shots)
  for (const form of forms.filter(({ form }) => !(shot.wide && form === 'narrow')))
    test(`${[shot.panel, shot.of, form.form].filter(Boolean).join(', ')}, looks as in its picture`, async () => {
      const name = `${[shot.panel, shot.of, form.form].filter(Boolean).join('-')}.png`;
      const path = join(folder, name);
      const taken = await take(shot, form);
      writeFileSync(join(output, name), taken);
      if (writing) writeFileSync(path, taken);
      assert.ok(existsSync(path), `there is no ${path}; take it with KVLAB_PICTURES=write and look at it`);
      const share = await difference(taken, readFileSync(path));
      assert.ok(share <= tolerance, `${(100 * share).toFixed(1)} % differ; compare ${path} with ${join(output, name)}`);
    });

test('the comparison sees another step, another theme and another panel', async () => {
  const [light, dark] = forms;
  const shot = shots.find(({ panel }) => panel === 'eviction-timeline')!;
  const picture = await take(shot, light);
  const others = [
    await take({ ...shot, pointing: 'api.pinStep(store, 40)' }, light),
    await take(shot, dark),
    await take(shots.find(({ panel }) => panel === 'heavy-hitters')!, light),
  ];
  for (const other of others) assert.ok((await difference(picture, other)) > tolerance);
});

test('nothing failed in the page', () => assert.deepEqual(errors, []));
