/** What a finished run came to, in numbers: the source of its text, its table and the words of its picture. */
import { byteParts, type Columns, errorMeasures, eventKinds, type FrameHeader, type RunInfo } from '../frame.ts';
import { replayHolding } from './survival.ts';

/** A head is a sink when more than this share of its attention goes to the first tokens. */
export const sinkThreshold = 0.3;

export interface RunFacts {
  info: RunInfo;
  state: FrameHeader['state'];
  message: string;
  promptTokens: number;
  writtenTokens: number;
  /** Bytes after the last step; undefined where not recorded. */
  bytes?: { held: number; payload: number; claimed: number; full: number; peak: number; budget: number };
  /** Entries of all heads after the last step; undefined without tokens. */
  entries?: { held: number; of: number };
  /** Entries that left the cache, and tokens that no head holds any more. */
  evicted: { entries: number; tokens: number };
  /** Attention of the newest query on the first tokens. */
  sinks?: { share: number; mean: number; layer: number; queryHead: number; mass: number };
  /** Signal to error in dB, mean over layers, NaN where nothing of the part was quantized; relative error of the attention
   *  output that the rows stored last brought, mean over heads. */
  quantization?: { snrKeys: number; snrValues: number; output: number };
  /** Median of the decoding steps; NaN without one. */
  stepMs: number;
}

export function factsOf(header: FrameHeader, info: RunInfo, columns: Columns): RunFacts {
  const tokens = columns['token.step']?.data ?? new Uint32Array(0);
  const prompt = tokens.filter((step) => step === 0).length;
  const ms = columns['step.ms']?.data.filter((_, row) => columns['step.index']!.data[row]! > 0) ?? new Float32Array(0);
  return {
    info,
    state: header.state,
    message: header.message ?? '',
    promptTokens: prompt,
    writtenTokens: tokens.length - prompt,
    bytes: bytesOf(info, columns),
    ...survivorsOf(info, columns),
    sinks: sinksOf(info, columns),
    quantization: quantizationOf(info, columns),
    stepMs: [...ms].sort((a, b) => a - b)[ms.length >> 1] ?? Number.NaN,
  };
}

function bytesOf(info: RunInfo, columns: Columns): RunFacts['bytes'] {
  const held = columns['bytes.held']?.data as Float64Array | undefined;
  const size = info.zones.length * byteParts.length;
  if (!held || held.length < size) return undefined;
  const row = held.subarray(held.length - size);
  const last = (name: string) => columns[name]?.data.at(-1) ?? Number.NaN;
  const sum = (wanted: (part: number) => boolean) =>
    row.reduce((total, bytes, i) => (wanted(i % byteParts.length) ? total + bytes : total), 0);
  return {
    held: sum(() => true),
    payload: sum((part) => part < 3),
    claimed: last('bytes.claimed'),
    full: last('bytes.full'),
    peak: last('bytes.peak'),
    budget: last('bytes.budget'),
  };
}

function survivorsOf(info: RunInfo, columns: Columns): Pick<RunFacts, 'entries' | 'evicted'> {
  const heads = info.model.layers * info.model.kvHeads;
  let entries: RunFacts['entries'];
  let lost = 0;
  replayHolding(columns, info, (_step, seen, holding) => {
    if (seen < holding.length) return;
    entries = { held: holding.reduce((a, b) => a + b, 0), of: seen * heads };
    lost = holding.reduce((count, n) => count + (n === 0 ? 1 : 0), 0);
  });
  const leave = eventKinds.indexOf('leave');
  const kinds = (columns['event.kind']?.data ?? new Uint8Array(0)) as Uint8Array;
  return {
    entries,
    evicted: { entries: kinds.reduce((count, kind) => count + (kind === leave ? 1 : 0), 0), tokens: lost },
  };
}

function sinksOf(info: RunInfo, columns: Columns): RunFacts['sinks'] {
  const { layers, queryHeads } = info.model;
  const size = layers * queryHeads;
  const all = columns['sink.mass']?.data as Float32Array | undefined;
  if (!all || all.length < size) return undefined;
  const mass = all.subarray(all.length - size);
  const best = mass.reduce((top, value, i) => (value > mass[top]! ? i : top), 0);
  return {
    share: mass.reduce((count, value) => count + (value > sinkThreshold ? 1 : 0), 0) / size,
    mean: mass.reduce((a, b) => a + b, 0) / size,
    layer: Math.floor(best / queryHeads),
    queryHead: best % queryHeads,
    mass: mass[best]!,
  };
}

function quantizationOf(info: RunInfo, columns: Columns): RunFacts['quantization'] {
  const layer = columns['quantization.layer']?.data;
  if (!layer || !info.method.quantizes) return undefined;
  const snr = errorMeasures.indexOf('snrDb');
  const mean = (values: number[]) => {
    const measured = values.filter(Number.isFinite);
    return measured.reduce((a, b) => a + b, 0) / measured.length;
  };
  const side = (part: number) =>
    mean(Array.from({ length: info.model.layers }, (_, l) => layer[(l * 2 + part) * errorMeasures.length + snr]!));
  return {
    snrKeys: side(0),
    snrValues: side(1),
    output: mean([...(columns['quantization.output']?.data ?? [])]),
  };
}
