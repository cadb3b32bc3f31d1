/** A log column in the browser: a typed array that grows by doubling, so that appending a frame costs what the frame holds. */
import type { Column, ColumnData } from 'kvlab/frame';

export interface GrowingColumn {
  /** Sizes of all axes but the first. */
  readonly rowShape: readonly number[];
  rows: number;
  /** At least `rows` rows; what lies behind them is not data. */
  data: ColumnData;
}

type TypedArrayMaker = new (length: number) => ColumnData;

export function growingColumn(first: Column): GrowingColumn {
  return { rowShape: first.shape.slice(1), rows: first.shape[0] ?? 0, data: first.data.slice() };
}

/** Appends the rows of a column. Throws when its rows have another shape. */
export function appendRows(name: string, column: GrowingColumn, added: Column): void {
  if (added.shape.slice(1).join() !== column.rowShape.join())
    throw new Error(
      `run: ${name} has rows of [${column.rowShape}] and got [${added.shape.slice(1)}]; ask for a snapshot`,
    );
  const rowLength = column.rowShape.reduce((product, n) => product * n, 1);
  const used = column.rows * rowLength;
  const needed = used + added.data.length;
  if (needed > column.data.length) {
    const grown = new (column.data.constructor as TypedArrayMaker)(Math.max(needed, column.data.length * 2, 64));
    grown.set(column.data.subarray(0, used));
    column.data = grown;
  }
  column.data.set(added.data, used);
  column.rows += added.shape[0] ?? 0;
}
