/** Memory over time: bytes held after each step as bands, one per zone and part, beside budget, peak, claimed and full. */
import { byteParts } from 'kvlab/frame';
import { type Tone, zoneTone } from '../../draw/theme.ts';
import { logColumn, type Run, rowAtStep } from '../../store/run.ts';

/** A band of the stack. V is drawn lighter than K; scales are dotted, slack and index hatched. */
export interface Band {
  name: string;
  tone: Tone | 'slack';
  fill: 'full' | 'light' | 'dots' | 'hatch';
  /** Bytes after each row. */
  bytes: Float64Array;
}

export interface MemoryDrawing {
  /** Tokens seen after each row. */
  seen: number[];
  /** Bands from the bottom up. Their sum is what was held. */
  bands: Band[];
  held: Float64Array;
  claimed: Float64Array | undefined;
  full: Float64Array | undefined;
  budget: Float64Array | undefined;
  /** Largest number of bytes during any step, and the tokens seen then. */
  peak: { bytes: number; seen: number } | undefined;
  /** Rows that belong to the prompt: one for each chunk in which it was read. */
  rowsOfPrompt: number;
  /** Row of the step that is shown. */
  row: number;
}

const [payloadKeys, payloadValues, scales, index, slack] = byteParts.map((_, i) => i) as [
  number,
  number,
  number,
  number,
  number,
];
/** Bands that stay long lie low, those that change much lie high. */
const order: Tone[] = ['sinks', 'heavy', 'body', 'recent', 'fresh'];

export function encodeMemory(run: Run, step: number): MemoryDrawing | undefined {
  const held = logColumn(run, 'bytes.held');
  const seen = logColumn(run, 'step.seen');
  if (!held || !seen || held.rows === 0) return undefined;
  const rows = Math.min(held.rows, seen.rows);
  const zones = run.info.zones.length;
  const series = (zone: number, parts: readonly number[]) =>
    Float64Array.from({ length: rows }, (_, row) =>
      parts.reduce((sum, part) => sum + held.data[(row * zones + zone) * byteParts.length + part]!, 0),
    );
  const ranked = run.info.zones
    .map((name, zone) => ({ name, zone, tone: zoneTone(name, run.info.method.quantizes) }))
    .sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
  const bands: Band[] = [];
  for (const { name, zone, tone } of ranked) {
    if (run.info.method.quantizes) {
      bands.push({ name: `${name} K`, tone, fill: 'full', bytes: series(zone, [payloadKeys]) });
      bands.push({ name: `${name} V`, tone, fill: 'light', bytes: series(zone, [payloadValues]) });
      if (tone === 'body') bands.push({ name: 'scales', tone: 'slack', fill: 'dots', bytes: allZones([scales]) });
    } else bands.push({ name, tone, fill: 'full', bytes: series(zone, [payloadKeys, payloadValues]) });
  }
  if (!bands.some((band) => band.fill === 'dots'))
    bands.push({ name: 'scales', tone: 'slack', fill: 'dots', bytes: allZones([scales]) });
  bands.push({ name: 'slack, index', tone: 'slack', fill: 'hatch', bytes: allZones([index, slack]) });
  const drawn = bands.filter((band) => band.bytes.some((b) => b > 0));

  function allZones(parts: readonly number[]): Float64Array {
    const sum = new Float64Array(rows);
    for (let zone = 0; zone < zones; zone++)
      for (const [row, bytes] of series(zone, parts).entries()) sum[row]! += bytes;
    return sum;
  }
  const log = (name: 'bytes.claimed' | 'bytes.full' | 'bytes.budget' | 'bytes.peak') => {
    const column = logColumn(run, name);
    const data = column && Float64Array.from(column.data.subarray(0, Math.min(rows, column.rows)));
    return data?.some(Number.isFinite) ? data : undefined;
  };
  const peaks = log('bytes.peak');
  const highest = peaks?.reduce((best, b, row) => (b > peaks[best]! ? row : best), 0);
  return {
    seen: Array.from(seen.data.subarray(0, rows)),
    bands: drawn,
    held: Float64Array.from({ length: rows }, (_, row) => drawn.reduce((sum, band) => sum + band.bytes[row]!, 0)),
    claimed: log('bytes.claimed'),
    full: log('bytes.full'),
    budget: log('bytes.budget'),
    peak: peaks && highest !== undefined ? { bytes: peaks[highest]!, seen: seen.data[highest]! } : undefined,
    rowsOfPrompt: Array.from(logColumn(run, 'step.index')?.data.subarray(0, rows) ?? []).filter((s) => s === 0).length,
    row: Math.max(0, Math.min(rows - 1, rowAtStep(run, step))),
  };
}

/** Bytes of the bands that are payload: what a budget speaks of. */
export function payloadAt(memory: MemoryDrawing, row: number): number {
  return memory.bands.reduce((sum, band) => (band.tone === 'slack' ? sum : sum + band.bytes[row]!), 0);
}

/** The value in force at a row, or NaN. */
export function valueAt(values: Float64Array | undefined, row: number): number {
  return values?.[Math.min(row, values.length - 1)] ?? Number.NaN;
}
