/** A whole recorded run as one Arrow file, so that a colleague can look at it without the model.
 *
 *  The file has one row; each column of the run is a list in it, row-major, with lane and shape in the field's metadata and
 *  the frame's header in the schema's. Any reader of Arrow can unnest the lists; `openRun` gives the frame back as it was. */
import {
  columnFromArray,
  type DataType,
  float32,
  float64,
  int32,
  list,
  tableFromColumns,
  tableFromIPC,
  tableToIPC,
  uint8,
  uint16,
  uint32,
} from '@uwdata/flechette';
import {
  type Column,
  type ColumnData,
  type Columns,
  columnType,
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameHeader,
  frameVersion,
} from './frame.ts';

const headerKey = 'kvlab.header';
const laneKey = 'kvlab.lane';
const shapeKey = 'kvlab.shape';

const kinds = {
  f32: { arrow: float32, array: Float32Array },
  f64: { arrow: float64, array: Float64Array },
  u8: { arrow: uint8, array: Uint8Array },
  u16: { arrow: uint16, array: Uint16Array },
  u32: { arrow: uint32, array: Uint32Array },
  i32: { arrow: int32, array: Int32Array },
} as const;

/** Bytes of an Arrow file with everything that a snapshot holds. */
export function saveRun(snapshot: Frame): Uint8Array {
  const columns = Object.entries(decodeFrame(snapshot.header, snapshot.buffer));
  const lists = columns.map(([name, { data }]) => {
    const type: DataType = list(kinds[columnType(data)].arrow());
    return [name, columnFromArray([data], type)] as [string, ReturnType<typeof columnFromArray>];
  });
  const table = tableFromColumns(lists);
  const { columns: _, ...header } = snapshot.header;
  table.schema.metadata = new Map([[headerKey, JSON.stringify(header)]]);
  columns.forEach(([, { lane, shape }], i) => {
    table.schema.fields[i]!.metadata = new Map([
      [laneKey, lane],
      [shapeKey, shape.join()],
    ]);
  });
  const bytes = tableToIPC(table, { format: 'file' });
  if (!bytes) throw new Error(`arrow: run ${snapshot.header.run} could not be written`);
  return bytes;
}

/** The snapshot in a file that `saveRun` wrote. Throws when the bytes are no such file, or are damaged. */
export function openRun(bytes: Uint8Array): Frame {
  const fail = (what: string): never => {
    throw new Error(`arrow: ${what}; open a file that run.save wrote`);
  };
  let table: ReturnType<typeof tableFromIPC>;
  try {
    table = tableFromIPC(bytes);
  } catch {
    return fail(`${bytes.length} bytes are no Arrow file`);
  }
  const text = table.schema.metadata?.get(headerKey);
  if (text === undefined) return fail('the file holds no run');
  let header: Omit<FrameHeader, 'columns'>;
  try {
    header = JSON.parse(text);
  } catch {
    return fail('the header of the run is damaged');
  }
  if (header.version !== frameVersion)
    return fail(`the run has version ${header.version}, this reader knows ${frameVersion}`);
  const columns: Columns = {};
  for (const { name, metadata } of table.schema.fields) {
    const lane = metadata?.get(laneKey);
    const shape = metadata?.get(shapeKey)?.split(',').map(Number) ?? [];
    const data = numbersOf(table.getChild(name)?.at(0));
    if ((lane !== 'log' && lane !== 'state') || !data) return fail(`column ${name} is no column of a run`);
    if (shape.reduce((product, n) => product * n, 1) !== data.length)
      return fail(`column ${name} has ${data.length} values for the shape [${shape}]`);
    columns[name] = { lane, shape, data } satisfies Column;
  }
  return encodeFrame(header, columns);
}

function numbersOf(value: unknown): ColumnData | undefined {
  return Object.values(kinds).some(({ array }) => value instanceof array) ? (value as ColumnData) : undefined;
}
