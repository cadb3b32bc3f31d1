/** A panel's columns as an Arrow file, its facts in the metadata of the schema. */
import { type DataColumns, rowCount } from '../data.ts';
import type { Facts } from './facts.ts';

export async function arrowOf(data: DataColumns, facts: Facts): Promise<Uint8Array> {
  const { columnFromArray, float64, tableFromColumns, tableToIPC, utf8 } = await import('@uwdata/flechette');
  const columns = Object.entries(data).map(([name, values]) => {
    const words = typeof values[0] === 'string';
    const column = words
      ? columnFromArray(Array.from(values as readonly string[]), utf8())
      : columnFromArray(Float64Array.from(values as ArrayLike<number>), float64());
    return [name, column] as [string, typeof column];
  });
  const table = tableFromColumns(columns);
  table.schema.metadata = new Map([
    ...Object.entries(facts).map(([name, value]): [string, string] => [`kvlab.${name}`, String(value)]),
    ['kvlab.rows', String(rowCount(data))],
  ]);
  const bytes = tableToIPC(table, { format: 'file' });
  if (!bytes) throw new Error('export: the columns could not be written as Arrow; save them as CSV');
  return bytes;
}
