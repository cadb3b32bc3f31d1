/** Everything that is known of one run, ready to be sent from any point on.
 *
 *  Log columns keep the chunks as they came and are joined when they are sent, so that a long run costs no copying while
 *  it grows; state columns keep the newest value. */
import {
  type Column,
  type ColumnData,
  type Columns,
  columnCatalogue,
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameHeader,
  type RunInfo,
  type TokenText,
} from '../engine/record/frame.ts';

interface LogColumn {
  /** Shape without the first axis. */
  tail: readonly number[];
  chunks: ColumnData[];
  /** Rows in all chunks, and rows that were dropped before them. */
  rows: number;
  dropped: number;
}

interface StateColumn {
  column: Column;
  /** Number of the frame that brought it. */
  version: number;
}

/** How far one client has been told. */
export interface Mark {
  frames: number;
  rows: Map<string, number>;
  texts: number;
}

export interface RunLog {
  readonly run: string;
  readonly state: FrameHeader['state'];
  readonly info: RunInfo | undefined;
  /** Bytes that are held. */
  readonly bytes: number;
  /** Frames that were added, counting changes of our own. */
  readonly frames: number;
  add(frame: Frame): void;
  /** Says that the run ended without saying so itself. */
  end(state: 'interrupted' | 'failed', message: string): void;
  /** Drops the older half of the group of columns that is largest. */
  thin(): void;
  /** What a client with this mark does not have; everything without a mark. */
  since(mark: Mark | undefined, seq: number): { frame: Frame; mark: Mark };
}

/** Rows of one group belong together: tokens, steps or events, told by the first letter of the shape. */
function groupOf(name: string): string {
  return (columnCatalogue as Record<string, { shape: string } | undefined>)[name]?.shape.split(' ')[0] ?? name;
}

function size(tail: readonly number[]): number {
  return tail.reduce((product, n) => product * n, 1);
}

function join(column: LogColumn, fromRow: number): ColumnData {
  const width = size(column.tail);
  const skip = Math.max(0, fromRow - column.dropped) * width;
  const total = column.rows * width;
  const first = column.chunks[0]!;
  const joined = new (first.constructor as new (n: number) => ColumnData)(Math.max(0, total - skip));
  // New rows are at the end, so walking backwards touches only what is sent.
  let end = total;
  for (let at = column.chunks.length - 1; at >= 0 && end > skip; at--) {
    const chunk = column.chunks[at]!;
    const start = end - chunk.length;
    const part = start < skip ? chunk.subarray(skip - start) : chunk;
    joined.set(part, Math.max(start, skip) - skip);
    end = start;
  }
  return joined;
}

/** An empty log for a run. */
export function createRunLog(run: string): RunLog {
  const logs = new Map<string, LogColumn>();
  const states = new Map<string, StateColumn>();
  let texts: TokenText[] = [];
  let textsDropped = 0;
  let header: FrameHeader | undefined;
  let info: RunInfo | undefined;
  let frames = 0;
  let bytes = 0;
  /** A mark from before the last thinning is worth nothing: rows that it counts are gone. */
  let thinnedAt = 0;

  function addColumn(name: string, column: Column) {
    if (column.lane === 'state') {
      bytes += column.data.byteLength - (states.get(name)?.column.data.byteLength ?? 0);
      states.set(name, { column, version: frames });
      return;
    }
    const [rows = 0, ...tail] = column.shape;
    const log = logs.get(name) ?? { tail, chunks: [], rows: 0, dropped: 0 };
    if (log.tail.join() !== tail.join())
      throw new Error(
        `frames: ${name} of run ${run} is [*,${log.tail}] and then [*,${tail}]; only the first axis may grow`,
      );
    logs.set(name, log);
    if (rows === 0) return;
    log.chunks.push(column.data);
    log.rows += rows;
    bytes += column.data.byteLength;
  }

  return {
    run,
    get state() {
      return header?.state ?? 'running';
    },
    get info() {
      return info;
    },
    get bytes() {
      return bytes;
    },
    get frames() {
      return frames;
    },
    add(frame) {
      const columns = decodeFrame(frame.header, frame.buffer);
      frames += 1;
      header = frame.header;
      info = frame.header.info ?? info;
      for (const [name, column] of Object.entries(columns)) addColumn(name, column);
      for (const text of frame.header.texts) texts.push(text);
    },
    end(state, message) {
      if (!header || (header.state !== 'running' && header.state !== 'paused')) return;
      frames += 1;
      header = { ...header, state, message };
    },
    thin() {
      const held = new Map<string, number>();
      for (const [name, { chunks }] of logs)
        held.set(
          groupOf(name),
          chunks.reduce((sum, chunk) => sum + chunk.byteLength, held.get(groupOf(name)) ?? 0),
        );
      const [largest] = [...held].sort((a, b) => b[1] - a[1])[0] ?? [];
      if (largest === undefined) return;
      let gone = 0;
      for (const [name, log] of logs) {
        if (groupOf(name) !== largest) continue;
        const before = log.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
        gone = Math.floor(log.rows / 2);
        log.chunks = [join(log, log.dropped + gone)];
        log.rows -= gone;
        log.dropped += gone;
        bytes -= before - log.chunks[0]!.byteLength;
      }
      if (largest === 'n') {
        texts = texts.slice(gone);
        textsDropped += gone;
      }
      frames += 1;
      thinnedAt = frames;
      const what = { n: 'tokens', S: 'steps', E: 'events' }[largest] ?? `rows of ${largest}`;
      const dropped = [...logs].find(([name]) => groupOf(name) === largest)?.[1].dropped ?? 0;
      if (info)
        info = {
          ...info,
          leftOut: `the first ${dropped} ${what} were dropped, because panels keep 64 MiB of a notebook's runs`,
        };
    },
    since(mark, seq) {
      const from = mark && mark.frames >= thinnedAt ? mark : undefined;
      const columns: Columns = {};
      const rows = new Map<string, number>();
      for (const [name, log] of logs) {
        const told = from?.rows.get(name) ?? log.dropped;
        const end = log.dropped + log.rows;
        rows.set(name, end);
        if (end <= told || log.chunks.length === 0) continue;
        const data = join(log, told);
        if (!from) log.chunks = [data];
        columns[name] = { lane: 'log', shape: [end - told, ...log.tail], data };
      }
      for (const [name, { column, version }] of states) if (!from || version > from.frames) columns[name] = column;
      const { columns: _, ...rest } = header!;
      const frame = encodeFrame(
        {
          ...rest,
          run,
          seq,
          merged: from ? Math.max(0, frames - from.frames - 1) : 0,
          snapshot: !from,
          info: from ? undefined : info,
          texts: texts.slice((from?.texts ?? textsDropped) - textsDropped),
        },
        columns,
      );
      return { frame, mark: { frames, rows, texts: textsDropped + texts.length } };
    },
  };
}
