/** What a panel shows as columns: the whole of it, for files and for whoever computes with it. */

/** Columns of equal length by name; numbers or words. */
export type DataColumns = Record<string, ArrayLike<number> | readonly string[]>;

/** Rows of the columns. */
export function rowCount(data: DataColumns): number {
  return Object.values(data)[0]?.length ?? 0;
}

/** Comma-separated values as RFC 4180 has them; the facts stand above as lines that begin with `#`. */
export function csvOf(data: DataColumns, facts: Record<string, string | number> = {}): string {
  const names = Object.keys(data);
  const columns = Object.values(data);
  const lines = Object.entries(facts).map(([name, value]) => `# ${name}: ${String(value).replace(/[\r\n]+/g, ' ')}`);
  lines.push(names.map(cell).join());
  for (let row = 0; row < rowCount(data); row++) lines.push(columns.map((column) => cell(column[row]!)).join());
  return `${lines.join('\r\n')}\r\n`;
}

function cell(value: string | number): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  // A word that a spreadsheet would take for a formula stays a word.
  const safe = /^[=+\-@\t]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

/** Columns of a table that is already words. */
export function columnsOfTable(head: readonly string[], rows: readonly (readonly string[])[]): DataColumns {
  return Object.fromEntries(head.map((name, i) => [name, rows.map((row) => row[i] ?? '')]));
}
