/** Prints a table of figures that reads well in a terminal and can be pasted into a text as it is. */

type Cell = string | number | undefined;

/** A figure with three significant digits; a whole number as it is; a missing one as a dash. */
export function figure(value: Cell): string {
  if (value === undefined) return '-';
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return String(value);
  return Number.isInteger(value) || Math.abs(value) >= 1000
    ? String(Math.round(value))
    : String(Number(value.toPrecision(3)));
}

/** The lines of a Markdown table: words to the left, figures to the right. */
export function tableLines(columns: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const numeric = columns.map((_, c) => rows.some((row) => typeof row[c] === 'number'));
  const texts = rows.map((row) => columns.map((_, c) => figure(row[c])));
  const widths = columns.map((name, c) => Math.max(name.length, ...texts.map((row) => row[c]!.length)));
  const pad = (text: string, c: number) => (numeric[c] ? text.padStart(widths[c]!) : text.padEnd(widths[c]!));
  const line = (cells: readonly string[]) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, c) => (numeric[c] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(columns), `| ${rule.join(' | ')} |`, ...texts.map(line)];
}

export function printTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): void {
  console.log(tableLines(columns, rows).join('\n'));
}

/** The middle of the values: half of them are smaller. Undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : sorted.length > 0
      ? (sorted[middle - 1]! + sorted[middle]!) / 2
      : undefined;
}
