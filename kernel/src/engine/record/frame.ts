/** A frame: what a run sends to panels. One small JSON header, one packed buffer of typed columns.
 *
 *  This file and `columns.ts`, which it passes on, are the whole contract between kernel and panels; the JupyterLab
 *  extension imports nothing else of the kernel.
 *  Columns live in one of two lanes. *log* columns grow along their first axis and are never lost: two frames merge by
 *  appending. *state* columns hold the newest value: two frames merge by replacing. A snapshot for a panel that opens late
 *  is therefore the merge of all frames of the run, and needs no format of its own.
 *
 *  Dimension letters: S steps, n tokens, E events, L layers, Hq query heads, Hkv KV heads, D head size, T tokens seen,
 *  Z zones. Positions are absolute, step 0 is the prompt. */

import type { ColumnType, Lane, Link } from './columns.ts';

export * from './columns.ts';

/** Version of the schema; a reader refuses what it does not know. */
export const frameVersion = 1;

/** Comm target that the browser opens, one comm per page and kernel. */
export const frameTarget = 'kvlab.frames';
/** Comm target that the browser registers, so that `lab.show()` can ask for a panel. Data: `ShowRequest`. */
export const showTarget = 'kvlab.show';
/** How much a lab offers to press and choose. Data and definitions are the same at all depths. */
export const depths = ['student', 'teacher', 'researcher'] as const;
export type Depth = (typeof depths)[number];

/** What a cell asks the page for: the lab, one panel of it, a depth for this notebook. */
export interface ShowRequest {
  panel?: string;
  depth?: Depth;
}

/** MIME type of a finished run in a saved notebook: a `Bundle`. */
export const bundleMime = 'application/vnd.kvlab.run.v1+json';

export type ColumnData = Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array | Int32Array;

/** A typed array with its shape; row-major. */
export interface Column {
  lane: Lane;
  shape: readonly number[];
  data: ColumnData;
}
export type Columns = Record<string, Column>;

/** How a column lies in the packed buffer. */
export interface ColumnEntry {
  name: string;
  lane: Lane;
  type: ColumnType;
  shape: readonly number[];
  /** Bytes from the start of the buffer; a multiple of 8. */
  offset: number;
}

export type SlotName = 'score' | 'allocate' | 'select' | 'compensate' | 'encode' | 'place' | 'fetch' | 'attend';

/** What never changes during a run. Sent with the first frame and in every snapshot. */
export interface RunInfo {
  run: string;
  /** Short name for the header line, for example the first words of the prompt. */
  title: string;
  model: {
    name: string;
    layers: number;
    queryHeads: number;
    kvHeads: number;
    headSize: number;
    context: number;
  };
  method: {
    name: string;
    /** One line: "keep 20 %, 44 of 219 entries a head". */
    setting: string;
    paper: string;
    /** The expression that makes it in a cell, for example `methods.h2o({ keep: 0.2 })`; missing for a method of a cell. */
    call?: string;
    /** Options in force. */
    options?: Readonly<Record<string, string | number | boolean>>;
    /** Names of the options that may change while the run goes on. */
    changeable?: readonly string[];
    /** The eight slots in order; neutral ones are drawn faint. */
    slots: readonly {
      slot: SlotName;
      text: string;
      neutral: boolean /** Where the operator is written, in the repository. */;
      file?: string;
    }[];
    /** True when something is stored in fewer bits than the run computes with. */
    quantizes: boolean;
    departures: readonly string[];
  };
  /** Names of zones; `event.from`, `event.to` and `bytes.held` index this list. 255 stands for "not in the cache". */
  zones: readonly string[];
  promptLength: number;
  maxTokens: number;
  device: string;
  seed: number;
  /** How tokens are drawn, as a cell writes it. */
  sampler?: string;
  /** First `sinkCount` positions are summed into `sink.mass`. */
  sinkCount: number;
  /** What part of the run was recorded, in words; empty when all was. */
  leftOut: string;
  /** The model of links by which `tier.estimatedMs` was reckoned; present where the method has more tiers than one. */
  links?: Readonly<Record<Link, { bytesPerSecond: number; secondsPerMove: number }>>;
  /** True for a run that was read from a file: nothing computes it now. */
  recorded?: boolean;
  /** Set where the run is a comparison: its columns are those of `comparisonColumns`. */
  comparison?: ComparisonInfo;
  /** Set where the run is a lane of a comparison. */
  laneOf?: { comparison: string; lane: number };
}

/** What never changes during a comparison. */
export interface ComparisonInfo {
  /** forced: all are fed the same tokens. free: each writes on by itself. */
  mode: 'forced' | 'free' | 'both';
  /** Sampler in words. */
  sampler: string;
  /** The full cache first. `run` is the recorded run of the lane, where there is one. */
  lanes: readonly { method: string; setting: string; run?: string }[];
}

/** How a token is drawn: its text, or for an incomplete UTF-8 piece its bytes. Never HTML. */
export interface TokenText {
  text: string;
  /** A special token, drawn boxed. */
  special?: true;
  /** An incomplete UTF-8 piece: `text` is then `⟨e2 80⟩`. */
  bytes?: true;
}

export interface FrameHeader {
  type: 'frame';
  version: typeof frameVersion;
  run: string;
  /** Counts frames sent to one client; a gap means that frames were merged or lost. */
  seq: number;
  /** Frames that were merged into this one because the client was late. */
  merged: number;
  /** True when this frame is everything so far: the client forgets what it has of this run. */
  snapshot: boolean;
  info?: RunInfo;
  /** Newest step. */
  step: number;
  state: 'running' | 'paused' | 'finished' | 'interrupted' | 'failed';
  /** Why it ended, in words. */
  message?: string;
  /** Log lane: one per row of `token.id`. */
  texts: TokenText[];
  columns: ColumnEntry[];
}
export interface Frame {
  header: FrameHeader;
  buffer: ArrayBuffer;
}

/** Messages from a panel's page to the kernel over the comm. */
export type PanelMessage =
  /** Drawn up to `seq`; gives one credit back. */
  | { type: 'ack'; seq: number }
  /** Send everything again, of one run or of all. */
  | { type: 'snapshot'; run?: string }
  /** Add the attention row of this head to the next frames. */
  | { type: 'watch'; run: string; layer: number; queryHead: number }
  /** Nothing is visible: stop sending until `resume`. */
  | { type: 'hide' }
  | { type: 'resume' }
  | { type: 'control'; run: string; action: 'pause' | 'step' | 'continue' | 'stop' }
  /** Other amounts for the method of a run that goes on, from its next step. */
  | { type: 'control'; run: string; action: 'change'; options: RunChange['options'] }
  /** What the user points at, for `lab.selection()`. */
  | { type: 'selection'; selection: Selection }
  /** Which methods are there, and which options do they take? Answered while a cell runs, too. */
  | { type: 'methods' };

/** What a kernel message on the comm can be besides a frame. */
export type KernelMessage =
  | FrameHeader
  | { type: 'runs'; runs: RunInfo[] }
  /** Frames sent to this page so far: said when the newest were not acknowledged, in case they were lost on the way. */
  | { type: 'sent'; seq: number }
  | { type: 'point'; selection: Selection; panel?: string }
  | { type: 'methods'; methods: MethodForm[] };

/** A method as a form: made from its declaration. */
export interface MethodForm {
  /** How a cell calls it: `methods.h2o`. */
  call: string;
  name: string;
  paper: string;
  departures: readonly string[];
  fields: readonly FormField[];
  /** The eight slots with all options at their defaults. */
  slots: RunInfo['method']['slots'];
}

/** One option of a method. A budget (`keep`) has no default: without it the method's own amounts hold. */
export interface FormField {
  name: string;
  type: 'number' | 'choice' | 'flag' | 'text';
  default?: string | number | boolean;
  min?: number;
  max?: number;
  integer?: boolean;
  unit: string;
  note: string;
  choices?: readonly string[];
}

/** A change of the method's amounts while a run went on, as `change.said` tells it in JSON. */
export interface RunChange {
  /** The first step with these amounts. */
  step: number;
  options: Readonly<Record<string, number | string | boolean | undefined>>;
  /** Why the run refused it, in words; missing where it was made. */
  refused?: string;
}

/** A head of the model, by its query head, its KV head, or both. */
export interface SelectedHead {
  layer: number;
  queryHead?: number;
  kvHead?: number;
}

/** One object shared by all panels. `position` and the head are what panels of one token or one head show; where several are
 *  selected, `positions` and `heads` name them all. */
export interface Selection {
  run?: string;
  layer?: number;
  queryHead?: number;
  kvHead?: number;
  position?: number;
  positions?: readonly number[];
  heads?: readonly SelectedHead[];
  step?: number;
  range?: [number, number];
}

/** A finished run as saved in the notebook: one snapshot frame, its buffer in base64. A comparison has the runs of its lanes
 *  beside it, as far as there is room. */
export interface Bundle {
  version: typeof frameVersion;
  header: FrameHeader;
  base64: string;
  /** How the buffer was packed before it was written in base64; missing where it was not. */
  packed?: 'deflate';
  /** What was left out to stay under the size limit, in words; empty when nothing was. */
  leftOut: string;
  lanes?: readonly Bundle[];
}

const typeNames: readonly [ColumnType, new (b: ArrayBufferLike, o: number, n: number) => ColumnData, number][] = [
  ['f32', Float32Array, 4],
  ['f64', Float64Array, 8],
  ['u8', Uint8Array, 1],
  ['u16', Uint16Array, 2],
  ['u32', Uint32Array, 4],
  ['i32', Int32Array, 4],
];

/** The column type of a typed array. */
export function columnType(data: ColumnData): ColumnType {
  const found = typeNames.find(([, type]) => data.constructor === type);
  if (!found)
    throw new TypeError(
      `frame: a column is ${data.constructor.name}; use one of ${typeNames.map(([n]) => n).join(', ')}`,
    );
  return found[0];
}

/** Packs columns into one buffer, each starting at a multiple of 8 bytes. */
export function encodeFrame(header: Omit<FrameHeader, 'columns'>, columns: Columns): Frame {
  let end = 0;
  const entries = Object.entries(columns).map(([name, { lane, shape, data }]): ColumnEntry => {
    const offset = end;
    end = offset + Math.ceil(data.byteLength / 8) * 8;
    return { name, lane, type: columnType(data), shape: [...shape], offset };
  });
  const buffer = new ArrayBuffer(end);
  const bytes = new Uint8Array(buffer);
  for (const { name, offset } of entries) {
    const { data } = columns[name]!;
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
  }
  return { header: { ...header, columns: entries }, buffer };
}

/** Views the columns of a frame without copying where alignment allows. Throws when an entry leaves the buffer. */
export function decodeFrame(header: FrameHeader, buffer: ArrayBuffer | DataView): Columns {
  if (header.version !== frameVersion)
    throw new Error(
      `frame: version is ${header.version}, this reader knows ${frameVersion}; update kvlab on both sides`,
    );
  const view = buffer instanceof DataView ? buffer : new DataView(buffer);
  const columns: Columns = {};
  for (const { name, lane, type, shape, offset } of header.columns) {
    const [, make, size] = typeNames.find(([n]) => n === type) ?? [];
    if (!make || !size)
      throw new Error(`frame: column ${name} has type ${type}; known are ${typeNames.map(([n]) => n).join(', ')}`);
    const length = shape.reduce((product, n) => product * n, 1);
    if (!Number.isSafeInteger(length) || length < 0 || offset + length * size > view.byteLength)
      throw new Error(
        `frame: column ${name} [${shape}] ends at byte ${offset + length * size} of ${view.byteLength}; the frame is damaged`,
      );
    const start = view.byteOffset + offset;
    const aligned = start % size === 0 ? view.buffer : view.buffer.slice(start, start + length * size);
    columns[name] = { lane, shape, data: new make(aligned, start % size === 0 ? start : 0, length) };
  }
  return columns;
}

/** Merges a later frame into an earlier one of the same run: log columns append, state columns replace. */
export function mergeFrames(earlier: Frame, later: Frame): Frame {
  if (earlier.header.run !== later.header.run)
    throw new Error(`frame: cannot merge run ${later.header.run} into ${earlier.header.run}; keep one frame per run`);
  const before = decodeFrame(earlier.header, earlier.buffer);
  const after = decodeFrame(later.header, later.buffer);
  const columns: Columns = { ...before };
  for (const [name, column] of Object.entries(after)) {
    const old = before[name];
    columns[name] = old && column.lane === 'log' ? append(name, old, column) : column;
  }
  const { columns: _, ...header } = later.header;
  return encodeFrame(
    {
      ...header,
      info: later.header.info ?? earlier.header.info,
      snapshot: earlier.header.snapshot,
      merged: earlier.header.merged + later.header.merged + 1,
      texts: [...earlier.header.texts, ...later.header.texts],
    },
    columns,
  );
}

function append(name: string, old: Column, added: Column): Column {
  if (old.shape.slice(1).join() !== added.shape.slice(1).join())
    throw new Error(`frame: ${name} is [${old.shape}] and then [${added.shape}]; only the first axis may grow`);
  const data = new (old.data.constructor as new (n: number) => ColumnData)(old.data.length + added.data.length);
  data.set(old.data);
  data.set(added.data, old.data.length);
  return { lane: 'log', shape: [(old.shape[0] ?? 0) + (added.shape[0] ?? 0), ...old.shape.slice(1)], data };
}
