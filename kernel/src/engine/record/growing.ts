/** Typed columns that grow by doubling and remember what was sent. */
import type { ColumnData } from './frame.ts';

export interface Growing<A extends ColumnData> {
  /** Rows so far, row-major. */
  readonly rows: number;
  readonly width: number;
  /** All rows as one view. */
  view(): A;
  /** Appends one number to a column of width 1. */
  push(value: number): void;
  pushRow(row: ArrayLike<number>): void;
  /** Rows from `from` on, copied. */
  since(from: number): A;
  truncate(rows: number): void;
}

export function growing<A extends ColumnData>(Type: new (n: number) => A, width = 1): Growing<A> {
  let data = new Type(64 * width);
  let rows = 0;
  const reserve = (): void => {
    if ((rows + 1) * width <= data.length) return;
    const grown = new Type(data.length * 2);
    grown.set(data as never);
    data = grown;
  };
  return {
    get rows() {
      return rows;
    },
    width,
    view: () => data.subarray(0, rows * width) as A,
    push(value) {
      reserve();
      data[rows++] = value;
    },
    pushRow(row) {
      reserve();
      data.set(row as never, rows * width);
      rows++;
    },
    since: (from) => data.slice(from * width, rows * width) as A,
    truncate(to) {
      rows = Math.min(rows, to);
    },
  };
}
