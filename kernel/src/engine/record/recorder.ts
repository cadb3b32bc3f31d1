/** The recorder of a run: it watches steps, keeps typed columns, and turns them into frames. It changes no bit of the run. */
import { leaves } from '@kvlab/ops';
import { budgetBytes, fullBytes, readLedger } from '../cache/ledger.ts';
import type { Sequence } from '../run/sequence.ts';
import type { StepObserver } from '../run/step-observer.ts';
import {
  type AttentionRecord,
  createAttentionRecord,
  growAttentionRecord,
  receivedByGroup,
  receivedPerQuery,
  recordAttention,
  wholeRows,
} from './attention-record.ts';
import {
  byteParts,
  type ColumnName,
  type Columns,
  columnCatalogue,
  encodeFrame,
  eventKinds,
  eventParts,
  type Frame,
  type FrameHeader,
  frameVersion,
  type GraphColumn,
  graphColumns,
  type ReadColumn,
  type RunChange,
  type RunInfo,
  rankCount,
  readColumns,
  type TokenText,
  topCount,
} from './frame.ts';
import { createGraphRecord, type GraphRecord, graphStateColumns, hasGraph, recordGraph } from './graph-record.ts';
import { type Growing, growing } from './growing.ts';
import {
  createQuantizationRecord,
  type QuantizationRecord,
  quantizationColumns,
  recordOutputError,
  recordWritten,
} from './quantization-record.ts';
import { leadingPositions, rankEvery } from './rank-record.ts';
import {
  closeReadStep,
  createReadRecord,
  type ReadRecord,
  readShapes,
  readStateColumns,
  readsOrPlaces,
  recordRead,
} from './read-record.ts';

export interface Recorder extends StepObserver {
  readonly info: RunInfo;
  /** Adds tokens that were fed in a step, with ln p and entropy where known. */
  tokens(ids: readonly number[], step: number, logProbs: readonly number[], entropies: readonly number[]): void;
  /** Closes a step: bytes, scalars. */
  step(milliseconds: number): void;
  /** Notes other amounts, or why they were refused. */
  change(change: RunChange): void;
  /** Watches a head: its newest attention row goes with the next frames. */
  watch(layer: number, queryHead: number): void;
  /** Whole attention rows of a head that was named at the start, one for each query; undefined for others. */
  attentionRows(layer: number, queryHead: number): readonly Float32Array[] | undefined;
  /** What is new since the last call; heavy state columns come every `stateEvery` steps and when asked for. */
  frame(state: FrameHeader['state'], message?: string, withState?: boolean): Frame;
  /** A recorder for a copy of the sequence, which knows all that this one has seen. */
  fork(sequence: Sequence, info: RunInfo): Recorder;
  /** Everything so far as one frame. */
  snapshot(state?: FrameHeader['state'], message?: string): Frame;
}

/** Steps between frames that carry the large state columns. */
const stateEvery = 16;

type Log = Partial<
  Record<
    ColumnName | ReadColumn | GraphColumn,
    Growing<Float32Array | Float64Array | Uint8Array | Uint32Array | Int32Array>
  >
>;

/** What a recorder has seen, for the recorder of a fork. */
interface Seen {
  log: Log;
  texts: readonly TokenText[];
  attention: AttentionRecord;
  quantization: QuantizationRecord;
  read: ReadRecord;
  graph: GraphRecord | undefined;
  keptRows: ReadonlyMap<number, Float32Array[]>;
  sawAttention: boolean;
  peak: number;
}

export function createRecorder(
  sequence: Sequence,
  info: RunInfo,
  rowsOf: readonly { layer: number; queryHead: number }[] = [],
  before?: Seen,
): Recorder {
  const keptRows = new Map(rowsOf.map(({ layer, queryHead }) => [layer * 65536 + queryHead, [] as Float32Array[]]));
  const { layers, queryHeads, kvHeads, headSize } = sequence.model.config;
  const heads = { layers, queryHeads, kvHeads };
  const Z = info.zones.length;
  const attention = before ? structuredClone(before.attention) : createAttentionRecord(heads, 512);
  const quantization = before
    ? structuredClone(before.quantization)
    : createQuantizationRecord(layers, queryHeads, kvHeads, headSize);
  const read = before ? structuredClone(before.read) : createReadRecord(layers, queryHeads, kvHeads);
  const reading = readsOrPlaces(sequence.method);
  const weighs = 'merges' in sequence.method.declaration.compensate;
  const graph = hasGraph(sequence.method)
    ? (before?.graph && structuredClone(before.graph)) || createGraphRecord()
    : undefined;
  /** What stands behind the first axis. */
  const inner: Partial<Record<ColumnName | ReadColumn | GraphColumn, number[]>> = {
    'bytes.held': [Z, byteParts.length],
    'bytes.layer': [layers],
    'sink.mass': [layers, queryHeads],
    'attention.entropy': [layers, queryHeads],
    'rank.position': [layers, kvHeads, rankCount],
    ...readShapes(layers, queryHeads, kvHeads, Z),
  };
  const types = {
    f32: Float32Array,
    f64: Float64Array,
    u8: Uint8Array,
    u32: Uint32Array,
    i32: Int32Array,
    u16: Uint16Array,
  } as const;
  const log: Log = {};
  for (const [key, { lane, type }] of Object.entries({
    ...columnCatalogue,
    ...(reading ? readColumns : {}),
    ...(graph ? graphColumns : {}),
  })) {
    const name = key as ColumnName | ReadColumn | GraphColumn;
    if (name === 'event.weight' && !weighs) continue;
    const width = inner[name]?.reduce((a, b) => a * b, 1) ?? 1;
    if (lane === 'log') log[name] = growing<never>(types[type] as never, width);
  }
  const column = (name: ColumnName | ReadColumn | GraphColumn) => log[name]!;
  const texts: TokenText[] = [...(before?.texts ?? [])];
  const sent = new Map<string, number>();
  let sentTexts = 0;
  let sentInfo = false;
  let lastState = -stateEvery;
  let sawAttention = before?.sawAttention ?? false;
  let peak = before?.peak ?? 0;
  for (const [name, rows] of Object.entries(before?.log ?? {})) {
    const own = column(name as ColumnName);
    const all = rows.view();
    for (let row = 0; row < rows.rows; row++) own.pushRow(all.subarray(row * rows.width, (row + 1) * rows.width));
  }
  for (const [head, rows] of before?.keptRows ?? []) keptRows.set(head, [...rows]);

  const zoneTable = (part: 'keys' | 'values'): Uint8Array => {
    const T = sequence.ids.length;
    const out = new Uint8Array(layers * kvHeads * T).fill(leaves);
    sequence.layers.forEach((layer, l) => {
      layer.tables.forEach((table, h) => {
        for (let e = 0; e < table.count; e++) out[(l * kvHeads + h) * T + table.position[e]!] = table.zone[part][e]!;
      });
    });
    return out;
  };

  /** Newest values: small ones always, large ones when asked. */
  const stateColumns = (large: boolean): Columns => {
    const T = sequence.ids.length;
    const columns: Columns = graph ? graphStateColumns(graph) : {};
    const put = (name: ColumnName, shape: number[], data: Columns[string]['data']) => {
      columns[name] = { lane: 'state', shape, data };
    };
    if (sawAttention) {
      put('heavy.topPosition', [layers, queryHeads, topCount], attention.topPosition);
      put('heavy.topShare', [layers, queryHeads, topCount], attention.topShare);
      if (attention.watched?.row.length) {
        put('watch.attention', [attention.watched.row.length], attention.watched.row);
        put('watch.head', [2], Uint32Array.of(attention.watched.layer, attention.watched.queryHead));
      }
      if (large) {
        put('heavy.score', [layers, kvHeads, T], receivedByGroup(attention, heads, T));
        put('attention.received', [layers, queryHeads, T], receivedPerQuery(attention, heads, T));
      }
    }
    if (large) {
      if (reading) Object.assign(columns, readStateColumns(read, sequence));
      put('entry.zoneKeys', [layers, kvHeads, T], zoneTable('keys'));
      put('entry.zoneValues', [layers, kvHeads, T], zoneTable('values'));
      if (quantization.any) {
        const q = quantizationColumns(quantization, T);
        put('quantization.layer', [layers, 2, 4], q.layer);
        put('quantization.channel', [layers, 2, q.channels], q.channel);
        put('quantization.token', [layers, 2, T], q.token);
        put('quantization.bits', [layers, 2, T], q.bits);
        put('quantization.output', [layers, queryHeads], quantization.output);
      }
    }
    return columns;
  };
  const shapeOf = (name: ColumnName, rows: number): number[] => [rows, ...(inner[name] ?? [])];
  const header = (
    state: FrameHeader['state'],
    message: string | undefined,
  ): Omit<FrameHeader, 'columns' | 'texts'> => ({
    type: 'frame',
    version: frameVersion,
    run: info.run,
    seq: 0,
    merged: 0,
    snapshot: false,
    step: Math.max(0, sequence.step),
    state,
    message,
  });

  return {
    info,
    event(e) {
      column('event.step').push(Math.max(0, sequence.step));
      column('event.layer').push(e.layer);
      column('event.kvHead').push(e.kvHead);
      column('event.position').push(e.position);
      column('event.kind').push(eventKinds.indexOf(e.kind));
      column('event.part').push(eventParts.indexOf(e.part));
      column('event.from').push(e.from);
      column('event.to').push(e.to);
      column('event.into').push(e.into);
      if (weighs) column('event.weight').push(e.weight ?? Number.NaN);
      column('event.score').push(e.score);
      column('event.rank').push(e.rank);
    },
    written: (rows) => recordWritten(quantization, rows),
    layer(view) {
      sawAttention = true;
      growAttentionRecord(attention, heads, view.position[view.position.length - 1]! + 1);
      recordAttention(attention, view, heads, info.sinkCount);
      recordOutputError(quantization, view, sequence.rotary, queryHeads);
      if (reading)
        recordRead(read, view, sequence, (head) => {
          const { watched } = attention;
          const isWatched = watched?.layer === view.layer && watched.queryHead === head;
          return isWatched || keptRows.has(view.layer * 65536 + head);
        });
      for (let head = 0; keptRows.size && head < queryHeads; head++)
        keptRows.get(view.layer * 65536 + head)?.push(...wholeRows(view, head));
    },
    tokens(ids, step, logProbs, entropies) {
      const first = column('token.id').rows;
      texts.push(...sequence.model.tokenizer.texts(ids));
      ids.forEach((id, i) => {
        column('token.id').push(id);
        column('token.position').push(first + i);
        column('token.step').push(step);
        column('token.logProb').push(logProbs[i] ?? Number.NaN);
        column('token.entropy').push(entropies[i] ?? Number.NaN);
      });
    },
    step(milliseconds) {
      const ledger = readLedger(sequence.method, sequence.layers);
      peak = Math.max(peak, ledger.held, sequence.peakBytes);
      column('step.index').push(sequence.step);
      column('step.seen').push(sequence.ids.length);
      column('step.ms').push(milliseconds);
      column('bytes.held').pushRow(ledger.zones);
      column('bytes.layer').pushRow(ledger.layers);
      column('bytes.claimed').push(ledger.claimed);
      column('bytes.full').push(fullBytes(sequence.ids.length, layers, kvHeads, headSize));
      column('bytes.workspace').push(sequence.workspaceBytes);
      column('bytes.peak').push(peak);
      column('bytes.budget').push(budgetBytes(sequence.method, sequence.allocated, headSize));
      column('sink.mass').pushRow(attention.sinkMass);
      column('attention.entropy').pushRow(attention.entropy);
      if (sawAttention && sequence.step % rankEvery === 0) {
        const scores = receivedByGroup(attention, heads, sequence.ids.length);
        column('rank.step').push(Math.max(0, sequence.step));
        column('rank.position').pushRow(leadingPositions(scores, layers * kvHeads));
      }
      if (reading) closeReadStep(read, sequence, ledger, column);
      if (graph) recordGraph(graph, sequence, column);
    },
    change({ step, ...said }) {
      column('change.step').push(step);
      for (const byte of new TextEncoder().encode(JSON.stringify(said))) column('change.said').push(byte);
      column('change.said').push(0);
    },
    watch(layer, queryHead) {
      attention.watched = { layer, queryHead, row: new Float32Array(0) };
    },
    attentionRows: (layer, queryHead) => keptRows.get(layer * 65536 + queryHead),
    frame(state, message, withState = false) {
      const columns: Columns = {};
      for (const [name, rows] of Object.entries(log)) {
        const from = sent.get(name) ?? 0;
        if (rows.rows === from) continue;
        columns[name] = { lane: 'log', shape: shapeOf(name as ColumnName, rows.rows - from), data: rows.since(from) };
        sent.set(name, rows.rows);
      }
      const large = withState || sequence.step - lastState >= stateEvery;
      if (large) lastState = sequence.step;
      Object.assign(columns, stateColumns(large));
      const news = texts.slice(sentTexts);
      sentTexts = texts.length;
      const first = !sentInfo;
      sentInfo = true;
      return encodeFrame({ ...header(state, message), ...(first ? { info } : {}), texts: news }, columns);
    },
    fork: (copy, copyInfo) =>
      createRecorder(copy, copyInfo, rowsOf, {
        log,
        texts,
        attention,
        quantization,
        read,
        graph,
        keptRows,
        sawAttention,
        peak,
      }),
    snapshot(state = 'finished', message) {
      const columns: Columns = {};
      for (const [name, rows] of Object.entries(log))
        columns[name] = { lane: 'log', shape: shapeOf(name as ColumnName, rows.rows), data: rows.since(0) };
      return encodeFrame(
        { ...header(state, message), snapshot: true, info, texts: [...texts] },
        { ...columns, ...stateColumns(true) },
      );
    },
  };
}
