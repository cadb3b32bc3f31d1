/** Arquero tables as HTML with a text twin; the first rows, and how many there are. */
import type { MimeBundle } from '../../host.ts';

/** What is used of an arquero table. */
interface Table {
  numRows(): number;
  columnNames(): string[];
  get(name: string, row: number): unknown;
  objects(options: { limit: number }): Record<string, unknown>[];
}

const rowsShown = 20;
const cellLimit = 80;

function isTable(value: object): value is Table {
  const table = value as Partial<Table>;
  return (
    typeof table.numRows === 'function' &&
    typeof table.columnNames === 'function' &&
    typeof table.objects === 'function'
  );
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  const words =
    value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : String(value);
  return words.length > cellLimit ? `${words.slice(0, cellLimit - 1)}…` : words;
}

/** A table of the first 20 rows; undefined for anything else. */
export function tableBundle(value: object): MimeBundle | undefined {
  if (!isTable(value)) return undefined;
  const names = value.columnNames();
  const rows = value.objects({ limit: rowsShown }).map((one) => names.map((name) => text(one[name])));
  const count = value.numRows();
  const note = `${count} rows, ${names.length} columns${count > rows.length ? `; the first ${rows.length} are shown` : ''}`;
  const widths = names.map((name, at) => Math.max(name.length, ...rows.map((cells) => cells[at]!.length)));
  const line = (cells: string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd();
  const headCells = names.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`);
  return {
    'text/html': `<table><thead><tr>${headCells}</tr></thead><tbody>${body.join('')}</tbody></table><p>${note}</p>`,
    'text/plain': [line(names), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), note].join('\n'),
  };
}
