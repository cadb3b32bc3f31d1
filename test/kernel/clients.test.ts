import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runPython } from './python.ts';

interface Output {
  output_type: string;
  text?: string;
  ename?: string;
  data?: Record<string, string>;
}

test('nbclient runs a notebook, which is valid, keeps its outputs, and exports as .ts and HTML', async () => {
  const cells = [
    'console.log("printed"); const n = 20; n * 2 + 2',
    'display({ "text/html": "Two <b>words</b>" })',
    'import * as aq from "arquero"; aq.table({ a: [1, 2] })',
    'throw new RangeError("too far")',
    'for (const step of progress([1, 2], "steps")) {}',
  ];
  const script = fileURLToPath(new URL('notebook.py', import.meta.url));
  const { code, output } = await runPython([script, JSON.stringify(cells)]);
  assert.equal(code, 0, output);
  const ran = JSON.parse(output.trim().split('\n').at(-1)!) as {
    cells: Output[][];
    script: string;
    extension: string;
    language: string;
    html: boolean;
  };
  const [first, second, third, fourth, fifth] = ran.cells;
  assert.deepEqual(
    first!.map(({ output_type, text, data }) => [output_type, text ?? data!['text/plain']]),
    [
      ['stream', 'printed\n'],
      ['execute_result', '42'],
    ],
  );
  assert.equal(second![0]!.data!['text/html'], 'Two <b>words</b>');
  assert.match(third![0]!.data!['text/html']!, /^<table>/);
  assert.equal(fourth![0]!.ename, 'RangeError');
  // The updates of one line leave one output in the file.
  assert.equal(fifth!.length, 1);
  assert.match(fifth![0]!.data!['text/plain']!, /100 % 2\/2/);
  assert.equal(ran.extension, '.ts');
  assert.equal(ran.language, 'typescript');
  assert.match(ran.script, /const n = 20/);
  assert.equal(ran.html, true);
});

test('papermill passes numbers, texts and lists, and lists the parameters of a notebook with their types', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-papermill-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const cell = (id: string, tags: string[], source: string) => {
    return { cell_type: 'code', id, metadata: { tags }, execution_count: null, outputs: [], source };
  };
  const kernelspec = { name: 'kvlab', display_name: 'kvlab', language: 'typescript' };
  const cells = [
    cell('defaults', ['parameters'], 'const keep: number = 0.2; // share that stays\nconst names = ["x"];'),
    cell('result', [], 'keep + names.join("-")'),
  ];
  const [given, ran] = [join(folder, 'given.ipynb'), join(folder, 'ran.ipynb')];
  writeFileSync(given, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells }));
  const papermill = fileURLToPath(new URL('../../kernel/papermill/kvlab_papermill.py', import.meta.url));
  const values = ['-p', 'keep', '0.5', '-y', 'names: [\'a "b"\', "ü"]'];
  const { code, output } = await runPython([papermill, given, ran, ...values, '--no-progress-bar']);
  assert.equal(code, 0, output);
  const done = JSON.parse(readFileSync(ran, 'utf8')) as { cells: { outputs: Output[] }[] };
  assert.equal([done.cells.at(-1)!.outputs[0]!.data!['text/plain']].flat().join(''), `'0.5a "b"-ü'`);
  const listed = await runPython([papermill, given, '--help-notebook']);
  assert.match(listed.output, /keep: number \(default 0\.2\)\s+share that stays/);
});

test('jupyter console runs lines one after the other and prints what they give', async () => {
  const lines = ['const a: number = 20', 'console.log("printed", a + 1)', 'a * 2', ''];
  const { output } = await runPython(['-m', 'jupyter_console', '--kernel', 'kvlab', '--simple-prompt'], {
    stdin: lines.join('\n'),
  });
  assert.match(output, /kvlab .*TypeScript/);
  assert.match(output, /printed 21/);
  assert.match(output, /Out\[3\]: 40/);
});
