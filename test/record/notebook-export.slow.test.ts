/** A saved notebook with a run in it, as viewers without kvlab see it: through the converter that they share. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Frame } from 'kvlab/frame';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { recordedSnapshot } from '../panels/replayed.ts';
import { syntheticRun } from './synthetic-run.ts';

const python = process.env.KVLAB_PYTHON ?? join(import.meta.dirname, '../../.venv/bin/python');
const skip = existsSync(python) ? false : 'no Python with nbconvert; npm test makes one';

/** A run with tokens that a viewer could take for markup. */
const hardRun = syntheticRun({
  texts: [{ text: '<s>', special: true as const }, { text: ' *stars* and `ticks`' }, { text: '\n\n# no heading' }],
});

/** Converts a notebook whose only output is the bundle of a run, and returns what the converter wrote. */
async function exported(
  format: string,
  extension: string,
  { snapshot = hardRun, options = [] }: { snapshot?: Frame; options?: string[] } = {},
): Promise<string> {
  const { bundle, metadata } = await runBundle(snapshot);
  const notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: [
      {
        id: 'run',
        cell_type: 'code',
        execution_count: 1,
        metadata: {},
        source: 'await lab.generate(model, prompt)',
        outputs: [{ output_type: 'display_data', data: bundle, metadata }],
      },
    ],
  };
  const folder = await mkdtemp(join(tmpdir(), 'kvlab-export-'));
  try {
    await writeFile(join(folder, 'run.ipynb'), JSON.stringify(notebook));
    const args = ['-m', 'nbconvert', '--to', format, ...options, join(folder, 'run.ipynb')];
    await promisify(execFile)(python, args, { timeout: 60_000 });
    return await readFile(join(folder, `run.${extension}`), 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const textOnly = ["--NbConvertBase.display_data_priority=['text/plain']"];

test('nbconvert to HTML shows the picture once and the table, with special tokens as text', { skip }, async () => {
  const html = await exported('html', 'html');
  assert.equal(html.match(/<img [^>]*src="data:image\/png;base64,/g)?.length, 1);
  assert.match(html, /<th [^>]*>evictions<\/th><td[^>]*>\d+ entries left; \d+ of 240 held/);
  assert.ok(html.includes('&lt;s&gt; *stars* and `ticks` ↵  ↵ # no heading'));
});

test('nbconvert to Markdown keeps the table, and no token starts a heading', { skip }, async () => {
  const markdown = await exported('markdown', 'md');
  assert.match(markdown, /<td[^>]*>72\.00 KiB, 60 % of the full cache<\/td>/);
  assert.doesNotMatch(markdown, /^ *# /m);
});

test('a viewer that knows only text shows the result in numbers', { skip }, async () => {
  const markdown = await exported('markdown', 'md', { options: textOnly });
  assert.match(markdown, /bytes held +72\.00 KiB, 60 % of the full cache/);
  assert.match(markdown, /attention sinks +\d+ % of heads/);
  assert.doesNotMatch(markdown, /<img|<table/);
});

test('a comparison is exported as one picture with a table of its methods, and as text', { skip }, async () => {
  const snapshot = recordedSnapshot('comparison');
  const html = await exported('html', 'html', { snapshot });
  assert.equal(html.match(/<img [^>]*src="data:image\/png;base64,/g)?.length, 1);
  assert.match(html, /<th [^>]*>H2O, keep 20 %<\/th><td[^>]*>mean KL 0\.\d{3}, same top token \d+ %, perplexity/);
  const text = await exported('markdown', 'md', { snapshot, options: textOnly });
  assert.match(
    text,
    /KIVI, bits 4, residual 32 +mean KL 0\.\d{3}, .* by itself leaves the full cache's text at token \d+/,
  );
  assert.doesNotMatch(text, /<img|<table/);
});
