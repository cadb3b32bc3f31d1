/** The stack of bytes: bands against the budget, the full cache as a line, the peak, names at the right end. */
import { dotPattern, hatchPattern } from '../../draw/cells.ts';
import { drawLine, drawText, textWidth } from '../../draw/marks.ts';
import { clipped } from '../../draw/plot.ts';
import { mebibytes, type Scale } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { faded, type Theme } from '../../draw/theme.ts';
import { type Band, type MemoryDrawing, valueAt } from './encode.ts';

/** Corners of a band: steps hold their value until the next row. */
function outline(memory: MemoryDrawing, x: Scale, values: (row: number) => number): [number, number][] {
  return memory.seen.flatMap((seen, row): [number, number][] => {
    const from = row === 0 ? Math.max(0, seen - 1) : memory.seen[row - 1]!;
    return [
      [x(from), values(row)],
      [x(seen), values(row)],
    ];
  });
}

export function drawBands(surface: Surface, theme: Theme, memory: MemoryDrawing, x: Scale, y: Scale): void {
  const { context } = surface;
  const base = new Float64Array(memory.seen.length);
  for (const band of memory.bands) {
    const low = outline(memory, x, (row) => y(base[row]!));
    const high = outline(memory, x, (row) => y(base[row]! + band.bytes[row]!));
    const path = new Path2D();
    for (const [i, [px, py]] of high.entries()) i === 0 ? path.moveTo(px, py) : path.lineTo(px, py);
    for (const [px, py] of low.reverse()) path.lineTo(px, py);
    path.closePath();
    context.fillStyle = band.tone === 'slack' ? theme.goneGround : bandColour(theme, band);
    context.fill(path);
    if (band.fill === 'dots') context.fillStyle = dotPattern(context, theme.slack, surface.density);
    if (band.fill === 'hatch') context.fillStyle = hatchPattern(context, theme.slack, surface.density, 7, 1);
    if (band.fill === 'dots' || band.fill === 'hatch') context.fill(path);
    drawLine(surface, high, { colour: band.tone === 'fresh' ? theme.ink3 : theme.paper, width: 0.6 });
    for (const [row, bytes] of band.bytes.entries()) base[row]! += bytes;
  }
}

export function drawClaimed(surface: Surface, theme: Theme, memory: MemoryDrawing, x: Scale, y: Scale): void {
  if (!memory.claimed) return;
  drawLine(
    surface,
    outline(memory, x, (row) => y(memory.held[row]!)),
    { colour: theme.ink3, dash: [2, 3] },
  );
  drawLine(
    surface,
    outline(memory, x, (row) => y(valueAt(memory.claimed, row))),
    { colour: theme.ink, width: 2 },
  );
}

function bandColour(theme: Theme, band: Band): string {
  const hex = band.tone === 'slack' ? theme.slack : theme.tones[band.tone];
  return band.fill === 'light' ? faded(theme, hex, 0.62) : hex;
}

export function drawReferences(
  surface: Surface,
  theme: Theme,
  memory: MemoryDrawing,
  rect: Rect,
  x: Scale,
  y: Scale,
  top: number,
  promptLength: number,
): void {
  const right = rect.x + rect.width;
  const prompt = x(promptLength);
  drawLine(
    surface,
    [
      [prompt, rect.y],
      [prompt, rect.y + rect.height],
    ],
    { colour: theme.ink3, dash: [1, 3] },
  );
  if (memory.full) {
    const points = memory.seen.map((seen, row): [number, number] => [x(seen), y(valueAt(memory.full, row))]);
    const line: [number, number][] = [[x(0), y(0)], ...points];
    clipped(surface, rect, () => drawLine(surface, line, { colour: theme.ink, width: 1.2 }));
    const last = memory.full.length - 1;
    const label = `full ${mebibytes(memory.full[last]!)}`;
    const slope = memory.full[last]! / memory.seen[last]!;
    const exit = x(Math.min(memory.seen[last]!, top / slope));
    const beyond = memory.full[last]! > top;
    // Right of the place where the line leaves the plot nothing else is drawn; where there is no room, left of it.
    const words = beyond ? `${label} ↗` : label;
    const after = beyond && exit + 8 + textWidth(surface, theme, words) < right;
    if (exit > rect.x)
      drawText(surface, theme, words, after ? exit + 8 : exit - 6, beyond ? rect.y + 8 : y(memory.full[last]!) - 9, {
        align: after ? 'left' : 'right',
        halo: true,
      });
  }
  const budget = valueAt(memory.budget, memory.row);
  if (Number.isFinite(budget)) {
    drawLine(
      surface,
      [
        [rect.x, y(budget)],
        [right, y(budget)],
      ],
      { colour: theme.ink, width: 1.5, dash: [6, 4] },
    );
    drawText(surface, theme, `budget ${mebibytes(budget)}`, prompt + 8, y(budget) - 10, { halo: true });
  }
  if (
    memory.peak &&
    Number.isFinite(memory.peak.bytes) &&
    memory.peak.bytes > valueAt(memory.held, memory.row) * 1.15
  ) {
    const at = x(memory.peak.seen);
    const high = Math.max(rect.y, y(memory.peak.bytes));
    const over = Number.isFinite(budget) && memory.peak.bytes > budget;
    if (over)
      drawLine(
        surface,
        [
          [at, y(budget)],
          [at, high],
          [at - 4, high],
        ],
        { colour: theme.error, width: 1.5 },
      );
    else
      drawLine(
        surface,
        [
          [at - 5, high],
          [at + 5, high],
        ],
        { colour: theme.ink, width: 1.5 },
      );
    const label = `peak ${mebibytes(memory.peak.bytes)}`;
    const left = at - textWidth(surface, theme, label, { bold: true }) - 8;
    drawText(surface, theme, label, left > rect.x ? at - 8 : at + 8, high + 6, {
      align: left > rect.x ? 'right' : 'left',
      bold: true,
      colour: theme.ink,
      halo: true,
    });
  }
}

/** Names of bands at their right end, apart enough to be read. */
export function nameBeside(surface: Surface, theme: Theme, memory: MemoryDrawing, rect: Rect, y: Scale): void {
  const { context } = surface;
  const last = memory.seen.length - 1;
  let base = 0;
  const names = memory.bands.map((band) => {
    const middle = base + band.bytes[last]! / 2;
    base += band.bytes[last]!;
    return { band, at: y(middle), bytes: band.bytes[last]! };
  });
  const shown = names.filter((name) => name.bytes > 0);
  for (let i = 1; i < shown.length; i++) shown[i]!.at = Math.min(shown[i]!.at, shown[i - 1]!.at - 16);
  for (const { band, at, bytes } of shown) {
    const x = rect.x + rect.width + 8;
    context.fillStyle =
      band.fill === 'hatch'
        ? hatchPattern(context, theme.slack, surface.density, 4, 1)
        : band.fill === 'dots'
          ? dotPattern(context, theme.slack, surface.density)
          : bandColour(theme, band);
    context.fillRect(x, at - 4, 8, 8);
    drawText(surface, theme, `${band.name} ${mebibytes(bytes)}`, x + 13, at, { colour: theme.ink });
  }
}
