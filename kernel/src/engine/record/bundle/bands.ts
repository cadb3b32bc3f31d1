/** Bytes held after each step as bands, one for each zone, with all that is no payload as the last. */
import { byteParts, type Columns, type RunInfo } from '../frame.ts';
import { paper, slack, zoneColour } from './colours.ts';
import { type Colour, fill, hatch, type Picture, write } from './paint.ts';

export interface Band {
  name: string;
  colour: Colour;
  hatched: boolean;
  /** Bytes of each row of the step columns. */
  bytes: Float64Array;
}

const payload = new Set(['payloadKeys', 'payloadValues', 'scales']);
/** Zones that change little lie first, those that change much last. */
const order = [/sink/i, /heavy|outlier/i, /body/i, /recent|residual/i, /fresh/i];

/** Bands of a run in the order in which they are stacked; empty where no bytes were recorded. */
export function bandsOf(columns: Columns, info: RunInfo): Band[] {
  const held = columns['bytes.held'];
  if (!held) return [];
  const data = held.data as Float64Array;
  const rows = held.shape[0]!;
  const size = info.zones.length * byteParts.length;
  const series = (wanted: (zone: number, part: string) => boolean) =>
    Float64Array.from({ length: rows }, (_, row) =>
      data
        .subarray(row * size, (row + 1) * size)
        .reduce(
          (sum, bytes, i) =>
            wanted(Math.floor(i / byteParts.length), byteParts[i % byteParts.length]!) ? sum + bytes : sum,
          0,
        ),
    );
  const zones = info.zones
    .map((name, zone) => ({
      name,
      colour: zoneColour(name),
      hatched: false,
      bytes: series((z, part) => z === zone && payload.has(part)),
    }))
    .sort((a, b) => rank(a.name) - rank(b.name));
  const rest = { name: 'slack, index', colour: slack, hatched: true, bytes: series((_, part) => !payload.has(part)) };
  return [...zones, rest].filter((band) => band.bytes.some((bytes) => bytes > 0));
}

/** Fills one part of a band. */
export function fillBand(picture: Picture, x: number, y: number, width: number, height: number, band: Band): void {
  if (band.hatched) hatch(picture, [x, y, width, height], paper, band.colour, 8);
  else fill(picture, x, y, width, height, band.colour);
}

/** A swatch with a name beside it. */
export function nameBand(picture: Picture, x: number, y: number, band: Band, text: string, colour: Colour): void {
  fillBand(picture, x, y - 14, 14, 14, band);
  write(picture, text, x + 24, y, { colour, size: 14 });
}

function rank(zone: string): number {
  const found = order.findIndex((names) => names.test(zone));
  return found < 0 ? order.length : found;
}
