/** Memory over time: bytes held after each step as bands, one per zone and part, beside budget, peak, claimed and full. */
import { byteParts, links, tiers } from 'kvlab/frame';
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
  /** What moved between tiers in that step; only where there are tiers. */
  traffic: { bytes: number; estimatedMs: number } | undefined;
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

/** What the panel shows over time: bytes in live buffers, what a formula claims, where the bytes lie; or at one step: what
 *  holds which bytes, and what moved between tiers. */
export const memoryViews = ['held', 'claimed', 'tiers', 'parts', 'moves'] as const;
export type MemoryView = (typeof memoryViews)[number];

/** True where the method keeps bytes in more places than one, or says what it moves. */
export function hasTiers(run: Run): boolean {
  return (logColumn(run, 'tier.held')?.rows ?? 0) > 0;
}

export function encodeMemory(run: Run, step: number, view: MemoryView = 'held'): MemoryDrawing | undefined {
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
  const drawn = (view === 'tiers' ? tierBands(run, rows) : bands).filter((band) => band.bytes.some((b) => b > 0));

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
    traffic: trafficAt(run, Math.max(0, Math.min(rows - 1, rowAtStep(run, step)))),
  };
}

function tierBands(run: Run, rows: number): Band[] {
  const column = logColumn(run, 'tier.held')?.data;
  const looks = { device: ['recent', 'full'], host: ['body', 'full'], disk: ['slack', 'hatch'] } as const;
  return tiers.map((tier, at) => ({
    name: tier === 'disk' ? 'file' : tier,
    tone: looks[tier][0],
    fill: looks[tier][1],
    bytes: Float64Array.from({ length: rows }, (_, row) => column?.[row * tiers.length + at] ?? 0),
  }));
}

/** Bytes that moved between tiers in a step, and what that would take by the model of links. */
function trafficAt(run: Run, row: number): MemoryDrawing['traffic'] {
  const moved = logColumn(run, 'tier.moved')?.data;
  if (!moved) return undefined;
  const bytes = links.reduce((sum, _, link) => sum + (moved[row * links.length + link] ?? 0), 0);
  return { bytes, estimatedMs: logColumn(run, 'tier.estimatedMs')?.data[row] ?? Number.NaN };
}

/** Bytes of the bands that are payload: what a budget speaks of. */
export function payloadAt(memory: MemoryDrawing, row: number): number {
  return memory.bands.reduce((sum, band) => (band.tone === 'slack' ? sum : sum + band.bytes[row]!), 0);
}

/** The value in force at a row, or NaN. */
export function valueAt(values: Float64Array | undefined, row: number): number {
  return values?.[Math.min(row, values.length - 1)] ?? Number.NaN;
}
