/** What holds which bytes after one step: tiers, their zones, and the parts of those. */
import { byteParts, tiers } from 'kvlab/frame';
import { type Tone, zoneTone } from '../../draw/theme.ts';
import { logColumn, type Run } from '../../store/run.ts';
import type { Band } from './encode.ts';

export interface PartBox {
  /** Names from the outermost box to this one. */
  path: string[];
  /** First byte along the axis, and bytes. */
  from: number;
  bytes: number;
  /** Share of what memory holds; of what lies in the file for a box of the file. */
  share: number;
  tone: Tone | 'slack' | 'tier';
  fill: Band['fill'];
}
export interface PartsDrawing {
  /** Boxes by level, each level as long as the one before: tiers, zones, parts. */
  levels: PartBox[][];
  total: number;
  /** Bytes that a file holds besides. */
  file: number;
}

const tierNames = { device: 'device', host: 'host', disk: 'file' } as const;
const partWords = ['keys', 'values', 'scales', 'index', 'slack'] as const;
const fills: readonly Band['fill'][] = ['full', 'light', 'dots', 'hatch', 'hatch'];

/** Bytes by tier, zone and part after a row, the largest first. A run that says nothing of tiers has all of it on the device. */
export function encodeParts(run: Run, row: number): PartsDrawing | undefined {
  const held = logColumn(run, 'bytes.held');
  if (!held || row >= held.rows) return undefined;
  const size = run.info.zones.length * byteParts.length;
  const places = logColumn(run, 'tier.zones');
  const bytesOf = (tier: number, zone: number, part: number) => {
    const at = zone * byteParts.length + part;
    if (places && row < places.rows) return places.data[(row * tiers.length + tier) * size + at]!;
    return tier === 0 ? held.data[row * size + at]! : 0;
  };
  const sum = (list: readonly { bytes: number }[]) => list.reduce((all, { bytes }) => all + bytes, 0);
  const largestFirst = <T extends { bytes: number }>(list: T[]) =>
    list.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const tree = tiers
    .map((tier, t) => {
      const zones = run.info.zones.map((zone, z) => {
        const parts = byteParts
          .map((_, part) => ({ part, bytes: bytesOf(t, z, part) }))
          .filter(({ bytes }) => bytes > 0);
        return { zone, parts, bytes: sum(parts) };
      });
      return { tier, zones: largestFirst(zones), bytes: sum(zones) };
    })
    .filter(({ bytes }) => bytes > 0);
  const levels: PartBox[][] = [[], [], []];
  const file = sum(tree.filter(({ tier }) => tier === 'disk'));
  const memory = sum(tree) - file;
  let at = 0;
  for (const { tier, zones, bytes } of tree) {
    const whole = tier === 'disk' ? file : memory;
    const name = tierNames[tier];
    levels[0]!.push({ path: [name], from: at, bytes, share: bytes / whole, tone: 'tier', fill: 'full' });
    for (const own of zones) {
      const tone = zoneTone(own.zone, run.info.method.quantizes);
      const box = { path: [name, own.zone], from: at, bytes: own.bytes, share: own.bytes / whole };
      levels[1]!.push({ ...box, tone, fill: 'full' });
      for (const { part, bytes: ofPart } of own.parts) {
        levels[2]!.push({
          path: [name, own.zone, partWords[part]!],
          from: at,
          bytes: ofPart,
          share: ofPart / whole,
          tone: part < 2 ? tone : 'slack',
          fill: fills[part]!,
        });
        at += ofPart;
      }
    }
  }
  return { levels, total: memory + file, file };
}
