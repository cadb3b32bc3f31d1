/** The real JupyterLab in a real browser, on a folder of its own: what the browser tests act in. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { installLabExtension, jupyterEnvironment } from '../../kernel/start/jupyter-files.mjs';
import { endTree } from '../../kernel/start/processes.mjs';
import { venvProgram } from '../../kernel/start/python.mjs';

const root = join(import.meta.dirname, '../..');
export const pictures = join(root, 'test/output/panels');
const chromiumPath = process.env.KVLAB_CHROMIUM ?? '/usr/bin/chromium';
const chromiumFlags = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const fontSettings = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<include>/etc/fonts/fonts.conf</include>
${['system-ui', 'sans-serif', 'sans', 'DejaVu Sans']
  .map(
    (family) => `<match target="pattern"><test name="family"><string>${family}</string></test>
<edit name="family" mode="assign" binding="strong"><string>Liberation Sans</string></edit></match>`,
  )
  .join('')}</fontconfig>`;

/** Panels that every run with a cache of its own can fill. */
export const runPanels = [
  'token-strip',
  'attention-sinks',
  'eviction-timeline',
  'memory-over-time',
  'heavy-hitters',
  'quantization-error',
];

export interface RealLab {
  page: Page;
  browser: Browser;
  /** Folder that JupyterLab shows. */
  folder: string;
  /** Addresses outside this machine that the page asked for. */
  outside: string[];
  /** Errors that the page did not catch. */
  errors: string[];
  close(): Promise<void>;
}

/** The browser, with one font everywhere, so that pictures do not depend on what a machine has installed beside it. */
export async function launchBrowser(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-fonts-'));
  const fonts = join(folder, 'fonts.conf');
  writeFileSync(fonts, fontSettings);
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    args: chromiumFlags,
    env: { ...process.env, FONTCONFIG_FILE: fonts } as Record<string, string>,
  });
  browser.on('disconnected', () => rmSync(folder, { recursive: true, force: true }));
  return browser;
}

/** Writes a notebook of code cells for the kernel kvlab. */
export function writeNotebook(path: string, cells: readonly string[]): void {
  const notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name: 'kvlab', display_name: 'kvlab', language: 'typescript' } },
    cells: cells.map((source, i) => ({
      cell_type: 'code',
      id: `cell-${i}`,
      metadata: {},
      execution_count: null,
      outputs: [],
      source,
    })),
  };
  writeFileSync(path, JSON.stringify(notebook));
}

/** Starts JupyterLab, or Notebook 7, on a fresh folder with copies of `files`, opens `notebook` in it and waits for its kernel. */
export async function openRealLab(
  notebook: string,
  prepare: (folder: string) => void,
  files: readonly string[] = [],
  program: 'lab' | 'notebook' = 'lab',
  /** Options of the server beside those that it always gets. */
  options: readonly string[] = [],
): Promise<RealLab> {
  installLabExtension(root);
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-lab-'));
  for (const file of files) if (existsSync(file)) copyFileSync(file, join(folder, basename(file)));
  prepare(folder);
  const port = await freePort();
  const server = spawn(
    venvProgram(root, 'jupyter'),
    [
      program,
      '--no-browser',
      '--allow-root',
      '--ServerApp.ip=127.0.0.1',
      `--ServerApp.port=${port}`,
      '--ServerApp.port_retries=0',
      '--IdentityProvider.token=',
      `--ServerApp.root_dir=${folder}`,
      `--${program === 'lab' ? 'LabApp' : 'JupyterNotebookApp'}.expose_app_in_browser=True`,
      ...options,
    ],
    {
      cwd: folder,
      env: {
        ...process.env,
        ...jupyterEnvironment(root),
        JUPYTER_CONFIG_DIR: join(folder, '.config'),
        JUPYTER_DATA_DIR: join(folder, '.data'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  for (const stream of [server.stdout, server.stderr])
    stream.on('data', (chunk) => {
      log = (log + chunk).slice(-4000);
    });
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    await endTree(server.pid);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(
      () => fetch(`${url}/api/status`).then((reply) => reply.ok),
      60_000,
      () => `JupyterLab does not answer: ${log}`,
    );
    const browser = await launchBrowser();
    const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
    const outside: string[] = [];
    const errors: string[] = [];
    page.on('request', (request) => {
      if (/^(https?|wss?):/.test(request.url()) && !request.url().startsWith(url)) outside.push(request.url());
    });
    page.on('pageerror', ({ name, message, stack }) => {
      // Without a stack come the browser's notices of sizes, and promises that JupyterLab rejects without an error.
      if (stack) errors.push(`${name}: ${message}\n${stack}`);
    });
    await page.goto(`${url}/${program === 'lab' ? 'lab/tree' : 'notebooks'}/${notebook}`);
    await page.waitForSelector('.jp-NotebookPanel .jp-Cell', { timeout: 60_000 });
    await until(
      () => page.evaluate(kernelIsIdle),
      60_000,
      () => `the kernel does not come up: ${log}`,
    );
    return {
      page,
      browser,
      folder,
      outside,
      errors,
      async close() {
        await browser.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const kernelIsIdle = `(() => {
  const panel = [...window.jupyterapp.shell.widgets('main')].find((w) => w.sessionContext);
  return panel?.sessionContext.session?.kernel?.status === 'idle';
})()`;

/** All text that the cells have printed. */
export async function cellOutputs(page: Page): Promise<string> {
  return String(
    await page.evaluate(
      `[...document.querySelectorAll('.jp-OutputArea-output')].map((o) => o.textContent).join('\\n')`,
    ),
  );
}

/** Runs a command of JupyterLab. */
export async function runCommand(page: Page, command: string, args: object = {}): Promise<void> {
  await page.evaluate(
    `(async () => { await window.jupyterapp.commands.execute(${JSON.stringify(command)}, ${JSON.stringify(args)}); })()`,
  );
}

/** Asks again until the answer is true; throws after `patienceMs` with what `complaint` says. */
export async function until(ask: () => Promise<unknown>, patienceMs: number, complaint: () => string): Promise<void> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask().catch(() => false);
    if (answer) return;
    if (performance.now() > end) throw new Error(`${complaint()} (waited ${patienceMs} ms)`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

/** Waits until a part of the page reads like this: the header is drawn at most ten times a second, and not with the panels. */
export async function reads(page: Page, selector: string, words: RegExp): Promise<void> {
  const text = async () => (await page.textContent(selector)) ?? '';
  const complaint = `${selector} does not read like ${words}`;
  await until(
    async () => words.test(await text()),
    30_000,
    () => complaint,
  ).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(await text())}`);
  });
}

/** Takes pictures of the whole page and of each panel enlarged, in one theme. */
export async function takePictures(
  page: Page,
  theme: 'light' | 'dark',
  panels: readonly string[],
  run: string,
): Promise<string[]> {
  mkdirSync(pictures, { recursive: true });
  await runCommand(page, 'apputils:change-theme', {
    theme: theme === 'light' ? 'JupyterLab Light' : 'JupyterLab Dark',
  });
  await page.waitForFunction((light) => document.body.dataset.jpThemeLight === String(light), theme === 'light');
  const taken: string[] = [];
  const shoot = async (name: string) => {
    await settled(page);
    const path = join(pictures, `${run}-${name}-${theme}.png`);
    if (name === 'page') await page.screenshot({ path });
    else await (await page.$('.kvlab-widget .kvlab-lab'))!.screenshot({ path });
    taken.push(path);
  };
  await shoot('page');
  for (const panel of panels) {
    await runCommand(page, 'kvlab:open', { enlarge: panel });
    await shoot(panel);
  }
  await runCommand(page, 'kvlab:open', { enlarge: '' });
  return taken;
}

/** Waits until no panel has been drawn, and no axis changed, for a while. */
export async function settled(page: Page): Promise<void> {
  let last = '';
  let same = 0;
  await until(
    async () => {
      const now = String(
        await page.evaluate(
          `[...document.querySelectorAll('.kvlab-panel')].map((p) => p.dataset.drawn).join() + document.querySelectorAll('.kvlab-axes .xtick').length`,
        ),
      );
      same = now === last ? same + 1 : 0;
      last = now;
      return same >= 8;
    },
    20_000,
    () => 'the panels do not come to rest',
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = server.address();
  const port = address && typeof address === 'object' ? address.port : 0;
  await new Promise((closed) => server.close(closed));
  return port;
}
