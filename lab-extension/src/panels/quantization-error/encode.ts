/** Quantization error: what stored rows lost against the exact rows that they replaced, by channel, token and layer. */
import { errorMeasures } from 'kvlab/frame';
import { latestColumn, type Run } from '../../store/run.ts';

export type Part = 'keys' | 'values';

export interface ErrorMap {
  /** RMS error, [layers, columns]; NaN where nothing was quantized. */
  values: Float32Array;
  columns: number;
}

export interface ErrorDrawing {
  step: number;
  layers: number;
  channels: Record<Part, ErrorMap>;
  tokens: Record<Part, ErrorMap>;
  /** Signal to error in dB by layer. */
  snr: Record<Part, number[]>;
  /** Every measure of a layer, by layer. */
  byLayer: Record<(typeof errorMeasures)[number], Record<Part, number[]>>;
  bits: Record<Part, number>;
  /** Ends of the one scale that all four maps share. */
  low: number;
  high: number;
  worst: { part: Part; layer: number; channel: number; error: number };
  /** Relative error of the attention output, [layers, queryHeads]. */
  output: Float32Array | undefined;
}

const parts: readonly Part[] = ['keys', 'values'];

/** Drawings by the column that they were made from: pointing at things must not cost what new data cost. */
const made = new WeakMap<object, ErrorDrawing | undefined>();

export function encodeErrors(run: Run): ErrorDrawing | undefined {
  const key = latestColumn(run, 'quantization.token');
  if (!key) return undefined;
  if (!made.has(key)) made.set(key, errorsOf(run));
  return made.get(key);
}

function errorsOf(run: Run): ErrorDrawing | undefined {
  const layer = latestColumn(run, 'quantization.layer');
  const channel = latestColumn(run, 'quantization.channel');
  const token = latestColumn(run, 'quantization.token');
  if (!layer || !channel || !token) return undefined;
  const layers = run.info.model.layers;
  const map = (column: { shape: readonly number[]; data: ArrayLike<number> }, part: number): ErrorMap => {
    const columns = column.shape[2]!;
    const values = new Float32Array(layers * columns);
    for (let l = 0; l < layers; l++)
      for (let c = 0; c < columns; c++) values[l * columns + c] = column.data[(l * 2 + part) * columns + c]!;
    return { values, columns };
  };
  const both = <T>(of: (part: number) => T): Record<Part, T> => ({ keys: of(0), values: of(1) });
  const channels = both((part) => map(channel, part));
  const tokens = both((part) => map(token, part));
  const byLayer = Object.fromEntries(
    errorMeasures.map((measure, at) => [
      measure,
      both((part) => Array.from({ length: layers }, (_, l) => layer.data[(l * 2 + part) * errorMeasures.length + at]!)),
    ]),
  ) as ErrorDrawing['byLayer'];
  const scale = scaleOf([channels.keys, channels.values, tokens.keys, tokens.values]);
  if (!scale) return undefined;
  return {
    step: channel.step,
    layers,
    channels,
    tokens,
    snr: byLayer.snrDb,
    byLayer,
    bits: both((part) => smallestBits(run, part)),
    ...scale,
    worst: worstChannel(channels, layers),
    output: latestColumn(run, 'quantization.output')?.data as Float32Array | undefined,
  };
}

/** Ends of a scale for all maps: the largest error, and one that only a hundredth of all errors lie below. */
function scaleOf(maps: readonly ErrorMap[]): { low: number; high: number } | undefined {
  const bins = new Uint32Array(512);
  let high = 0;
  let known = 0;
  for (const { values } of maps)
    for (const error of values)
      if (error > 0) {
        known += 1;
        high = Math.max(high, error);
        bins[Math.max(0, Math.min(511, Math.floor(256 + 16 * Math.log2(error))))]! += 1;
      }
  if (known === 0) return undefined;
  let below = 0;
  let bin = 0;
  while (bin < 511 && below + bins[bin]! <= known * 0.01) below += bins[bin++]!;
  return { low: 2 ** ((bin - 256) / 16), high };
}

function worstChannel(channels: Record<Part, ErrorMap>, layers: number): ErrorDrawing['worst'] {
  let worst = { part: 'keys' as Part, layer: 0, channel: 0, error: Number.NEGATIVE_INFINITY };
  for (const part of parts)
    for (let layer = 0; layer < layers; layer++)
      for (let channel = 0; channel < channels[part].columns; channel++) {
        const error = channels[part].values[layer * channels[part].columns + channel]!;
        if (error > worst.error) worst = { part, layer, channel, error };
      }
  return worst;
}

function smallestBits(run: Run, part: number): number {
  const column = latestColumn(run, 'quantization.bits');
  if (!column) return Number.NaN;
  const tokens = column.shape[2]!;
  let least = Number.POSITIVE_INFINITY;
  for (let l = 0; l < column.shape[0]!; l++)
    for (let t = 0; t < tokens; t++) {
      const bits = column.data[(l * 2 + part) * tokens + t]!;
      if (bits > 0 && bits < least) least = bits;
    }
  return least;
}

/** Position of an error on the shared log scale, 0 where nothing was quantized. */
export function errorLevel({ low, high }: ErrorDrawing, error: number): number {
  if (!(error > 0)) return 0;
  return Math.max(0.04, Math.min(1, Math.log(error / low) / Math.log(high / low || 2)));
}

/** Mean of what is a number. */
export function meanOf(values: ArrayLike<number>): number {
  const known = Array.from(values).filter(Number.isFinite);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : Number.NaN;
}

/** Mean error of one token over layers. */
export function tokenError(map: ErrorMap, layers: number, position: number): number {
  return position < map.columns
    ? meanOf(Array.from({ length: layers }, (_, l) => map.values[l * map.columns + position]!))
    : Number.NaN;
}

/** Bins of a histogram of token errors. */
export const histogramBins = 32;

/** How many tokens have which error, on the log scale of the maps; of one layer, or of all. Shares, [bins]. */
export function errorHistogram(drawing: ErrorDrawing, layer: number | undefined): Record<Part, Float64Array> {
  const { low, high, layers, tokens } = drawing;
  const of = (part: Part): Float64Array => {
    const { values, columns } = tokens[part];
    const bins = new Float64Array(histogramBins);
    const [from, to] = layer === undefined ? [0, layers] : [layer, layer + 1];
    let known = 0;
    for (let i = from * columns; i < to * columns; i++) {
      const error = values[i]!;
      if (!(error > 0)) continue;
      const at = (Math.log(error / low) / Math.log(high / low || 2)) * histogramBins;
      bins[Math.max(0, Math.min(histogramBins - 1, Math.floor(at)))]! += 1;
      known += 1;
    }
    return bins.map((count) => count / Math.max(1, known));
  };
  return { keys: of('keys'), values: of('values') };
}

/** One row for each layer, part and channel or token, for files. */
export function errorRows(run: Run, drawing: ErrorDrawing): Record<string, number[] | string[]> {
  const rows: Record<string, (number | string)[]> = {
    layer: [],
    side: [],
    axis: [],
    index: [],
    rms_error: [],
    bits: [],
    layer_mse: [],
    layer_max_abs: [],
    layer_cosine: [],
    layer_snr_db: [],
  };
  const bits = latestColumn(run, 'quantization.bits');
  for (const part of parts)
    for (const [axis, { values, columns }] of [
      ['channel', drawing.channels[part]],
      ['token', drawing.tokens[part]],
    ] as const)
      for (let layer = 0; layer < drawing.layers; layer++)
        for (let index = 0; index < columns; index++) {
          const row = [
            layer,
            part,
            axis,
            index,
            values[layer * columns + index]!,
            axis === 'token'
              ? (bits?.data[(layer * 2 + parts.indexOf(part)) * columns + index] ?? Number.NaN)
              : Number.NaN,
            ...errorMeasures.map((measure) => drawing.byLayer[measure][part][layer]!),
          ];
          for (const [i, column] of Object.values(rows).entries()) column.push(row[i]!);
        }
  return rows as Record<string, number[] | string[]>;
}
