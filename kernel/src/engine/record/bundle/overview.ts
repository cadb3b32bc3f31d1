/** The picture of a run that evicts nothing: bytes held over tokens, and how much attention the first tokens get. */
import type { Columns, RunInfo } from '../frame.ts';
import { type Band, bandsOf, fillBand, nameBand } from './bands.ts';
import { amountColour, axis, ink, ink2, rule } from './colours.ts';
import { counted, unitOf } from './numbers.ts';
import { dashes, fill, type Picture, write } from './paint.ts';
import { roundTicks } from './ticks.ts';

/** Pixels that the overview needs below its top edge. */
export const overviewHeight = 620;
const plotHeight = 480;

/** Draws both plots with the top edge at `top`; a plot without data says so. */
export function drawOverview(picture: Picture, columns: Columns, info: RunInfo, top: number): void {
  const upper = top + 50;
  const bands = bandsOf(columns, info);
  const seen = columns['step.seen']?.data;
  if (bands.length > 0 && seen) drawBytes(picture, columns, bands, seen, upper);
  else write(picture, 'No bytes were recorded.', 112, upper + 40, { colour: ink2, size: 15 });
  if (columns['sink.mass']?.data.length) drawSinks(picture, columns, info, upper);
  else write(picture, 'No attention was recorded.', 960, upper + 40, { colour: ink2, size: 15 });
}

function drawBytes(picture: Picture, columns: Columns, bands: Band[], seen: ArrayLike<number>, upper: number): void {
  const [left, width] = [112, 560];
  const full = columns['bytes.full']?.data;
  const rows = seen.length;
  const heldAt = (row: number) => bands.reduce((sum, band) => sum + band.bytes[row]!, 0);
  const most = Array.from({ length: rows }, (_, row) => Math.max(heldAt(row), full?.[row] ?? 0)).reduce(
    (a, b) => Math.max(a, b),
    1,
  );
  const [unit, size] = unitOf(most);
  const scale = plotHeight / most;
  const bottom = upper + plotHeight;
  const tokens = seen[rows - 1]!;
  write(picture, `${unit} held`, 28, upper - 26, { colour: ink, size: 15, bold: true });
  for (const tick of roundTicks(most / size, 4)) {
    const y = bottom - tick * size * scale;
    fill(picture, left, y - 1, width, 2, rule);
    write(picture, String(tick), left - 14, y + 7, { colour: ink2, size: 14, align: 'right' });
  }
  let row = 0;
  let lastFull = bottom;
  for (let x = 0; x < width; x++) {
    while (row < rows - 1 && seen[row]! < ((x + 1) / width) * tokens) row++;
    let base = bottom;
    for (const band of bands) {
      const to = base - band.bytes[row]! * scale;
      fillBand(picture, left + x, Math.round(to), 1, Math.round(base) - Math.round(to), band);
      base = to;
    }
    if (!full) continue;
    const y = bottom - full[row]! * scale;
    fill(picture, left + x, Math.min(y, lastFull) - 1, 1, Math.abs(y - lastFull) + 3, ink);
    lastFull = y;
  }
  fill(picture, left, bottom, width, 2, axis);
  for (const tick of roundTicks(tokens, 5)) {
    const x = left + (tick / tokens) * width;
    fill(picture, x - 1, bottom, 2, 8, axis);
    write(picture, counted(tick), x, bottom + 30, { colour: ink2, size: 14, align: 'middle' });
  }
  write(picture, 'tokens seen', left + width / 2, bottom + 60, { colour: ink2, size: 14, align: 'middle' });
  const prompt = columns['step.index']?.data.lastIndexOf(0) ?? -1;
  if (prompt >= 0 && prompt < rows - 1) {
    const x = Math.round(left + (seen[prompt]! / tokens) * width);
    dashes(picture, [x - 1, upper - 8, plotHeight + 8], 'down', [2, 4], ink);
    write(picture, 'prompt', x - 10, upper + 4, { colour: ink2, size: 14, align: 'right' });
  }
  nameBands(picture, bands, full?.[rows - 1], size, bottom, scale, left + width + 16);
}

/** Names at the right end of the bands, moved apart where bands are thin. */
function nameBands(
  picture: Picture,
  bands: Band[],
  full: number | undefined,
  size: number,
  bottom: number,
  scale: number,
  x: number,
): void {
  let base = 0;
  let lowest = bottom + 28;
  for (const band of bands) {
    const bytes = band.bytes.at(-1)!;
    const y = Math.min(lowest - 28, bottom - (base + bytes / 2) * scale + 7);
    nameBand(picture, x, y, band, `${band.name} ${(bytes / size).toFixed(2)}`, ink2);
    lowest = y;
    base += bytes;
  }
  if (full === undefined) return;
  const y = Math.min(lowest - 28, bottom - full * scale + 7);
  fill(picture, x, y - 8, 14, 3, ink);
  write(picture, `full cache ${(full / size).toFixed(2)}`, x + 24, y, { colour: ink2, size: 14 });
}

/** Mean attention of the decoding queries on the first tokens: layers down, query heads across, KV heads set apart. */
function drawSinks(picture: Picture, columns: Columns, info: RunInfo, upper: number): void {
  const { layers, queryHeads, kvHeads } = info.model;
  const left = 968;
  const group = queryHeads / kvHeads;
  const gap = 6;
  const cellHeight = Math.max(1, Math.min(40, Math.floor(plotHeight / layers)));
  const cellWidth = Math.max(2, Math.min(48, Math.floor((picture.width - 40 - left - gap * kvHeads) / queryHeads)));
  const mass = meanMass(columns, layers * queryHeads);
  const shown = info.sinkCount === 1 ? 'attention on token 0' : `attention on tokens 0–${info.sinkCount - 1}`;
  write(picture, shown, left, upper - 26, { colour: ink, size: 15, bold: true });
  const across = (queryHead: number) => left + queryHead * cellWidth + Math.floor(queryHead / group) * gap;
  const inner = Math.min(cellWidth, cellHeight) > 8 ? 2 : 0;
  for (let layer = 0; layer < layers; layer++)
    for (let queryHead = 0; queryHead < queryHeads; queryHead++) {
      const share = mass[layer * queryHeads + queryHead]!;
      fill(
        picture,
        across(queryHead),
        upper + layer * cellHeight,
        cellWidth - inner,
        cellHeight - inner,
        amountColour(share),
      );
    }
  const bottom = upper + layers * cellHeight;
  const right = across(queryHeads - 1) + cellWidth;
  fill(picture, left, bottom, right - left, 2, axis);
  for (const layer of [...new Set([...roundTicks(layers - 1, 5).filter((l) => layers - 1 - l > 2), layers - 1])]) {
    const y = upper + (layer + 0.5) * cellHeight + 7;
    const text = layer === 0 ? 'layer 0' : String(layer);
    write(picture, text, left - 12, y, { colour: ink2, size: 14, align: 'right' });
  }
  for (let queryHead = 0; queryHead < queryHeads; queryHead += queryHeads > 12 ? group : 1)
    write(picture, String(queryHead), across(queryHead) + cellWidth / 2, bottom + 30, {
      colour: ink2,
      size: 14,
      align: 'middle',
    });
  write(picture, 'query head', (left + right) / 2, bottom + 60, { colour: ink2, size: 14, align: 'middle' });
}

/** Mean over the steps after the prompt; of the prompt's last query where nothing was written. */
function meanMass(columns: Columns, size: number): Float64Array {
  const { data } = columns['sink.mass']!;
  const rows = data.length / size;
  const index = columns['step.index']?.data;
  const written = Array.from({ length: rows }, (_, row) => row).filter((row) => (index?.[row] ?? 0) > 0);
  const used = written.length > 0 ? written : [rows - 1];
  const mean = new Float64Array(size);
  for (const row of used) for (let i = 0; i < size; i++) mean[i]! += data[row * size + i]! / used.length;
  return mean;
}
