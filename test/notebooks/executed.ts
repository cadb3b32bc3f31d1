/** Executes a lesson as a reader would: a copy of it, in a folder of its own, through the built kernel and the real model. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runPython } from '../kernel/python.ts';

export const lessonFolder = fileURLToPath(new URL('../../notebooks', import.meta.url));
const script = fileURLToPath(new URL('execute.py', import.meta.url));

export interface Output {
  output_type: 'stream' | 'display_data' | 'execute_result' | 'error';
  /** Of a stream. */
  name?: 'stdout' | 'stderr';
  text?: string | string[];
  data?: Record<string, unknown>;
}
export interface Cell {
  id: string;
  cell_type: 'markdown' | 'code';
  source: string | string[];
  execution_count?: number | null;
  outputs?: Output[];
}
export interface Notebook {
  metadata: { kernelspec?: { name: string }; language_info?: { name: string } };
  cells: Cell[];
}

export const textOf = (text: string | string[] | undefined): string => [text ?? ''].flat().join('');

export function readNotebook(path: string): Notebook {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** Everything a cell printed. */
export function printed(cell: Cell): string {
  return (cell.outputs ?? [])
    .filter((output) => output.output_type === 'stream')
    .map((output) => textOf(output.text))
    .join('');
}

/** The cell with this id: tests name cells, so that text can move around them. */
export function cellOf(notebook: Notebook, id: string): Cell {
  const found = notebook.cells.find((cell) => cell.id === id);
  assert.ok(found, `there is no cell ${id}`);
  return found;
}

/** Numbers that a pattern finds in what a cell printed, by the names of its groups. */
export function numbersOf(notebook: Notebook, id: string, pattern: RegExp): Record<string, number> {
  const text = printed(cellOf(notebook, id));
  const found = pattern.exec(text);
  assert.ok(found, `cell ${id} printed nothing like ${pattern}, but:\n${text}`);
  return Object.fromEntries(
    Object.entries(found.groups ?? {}).map(([name, digits]) => [name, Number(digits.replaceAll(',', ''))]),
  );
}

/** Runs a lesson in a new folder outside of the repository; fails when a cell fails, misses, or leaves an error. */
export async function execute(name: string, { minutes = 12 } = {}): Promise<Notebook> {
  const folder = mkdtempSync(join(tmpdir(), 'kvlab-lesson-'));
  const path = join(folder, name);
  try {
    copyFileSync(join(lessonFolder, name), path);
    const { code, output } = await runPython([script, path, String(minutes * 60)], {
      cwd: folder,
      ms: minutes * 60_000,
    });
    const notebook = readNotebook(path);
    const errors = notebook.cells.flatMap((cell) => (cell.outputs ?? []).filter((o) => o.output_type === 'error'));
    assert.equal(code, 0, `${name} ended with ${code}:\n${output}\n${JSON.stringify(errors)}`);
    assert.deepEqual(errors, []);
    const missed = notebook.cells.filter((cell) => cell.cell_type === 'code' && !cell.execution_count);
    assert.deepEqual(
      missed.map((cell) => cell.id),
      [],
      'every code cell is executed',
    );
    const complaints = notebook.cells.flatMap((cell) => (cell.outputs ?? []).filter((o) => o.name === 'stderr'));
    assert.deepEqual(complaints, [], 'nothing is written to stderr, which readers take for an error');
    return notebook;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface SavedRun {
  header: {
    state: string;
    info: { promptLength: number; method: { name: string }; model: { layers: number } };
    texts: { text: string }[];
  };
}

/** Finished runs saved in a cell's outputs, as the panels and other viewers find them. */
export function savedRuns(cell: Cell): SavedRun[] {
  return (cell.outputs ?? []).flatMap(({ data }) => {
    const bundle = data?.['application/vnd.kvlab.run.v1+json'];
    if (!bundle) return [];
    for (const form of ['text/html', 'image/png', 'text/plain']) assert.ok(data?.[form], `a run has no ${form}`);
    return [bundle as SavedRun];
  });
}
