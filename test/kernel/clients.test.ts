import assert from 'node:assert/strict';
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
