/** The icicle of bytes: tiers at the left, their zones, the parts of those, as high as they are large. */
import { dotPattern, hatchPattern } from '../../draw/cells.ts';
import { drawBox, drawLine, drawText, textWidth } from '../../draw/marks.ts';
import { mebibytes, percent } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { faded, inkOn, type Theme } from '../../draw/theme.ts';
import type { PartBox, PartsDrawing } from './parts.ts';

/** A box and where it was drawn. */
export interface PlacedBox {
  box: PartBox;
  rect: Rect;
}

/** Draws the boxes and gives where they lie. */
export function drawIcicle(
  surface: Surface,
  theme: Theme,
  { levels, total }: PartsDrawing,
  area: Rect,
  pointed: readonly string[] | undefined,
): PlacedBox[] {
  const named = Math.min(180, area.width * 0.36);
  const room = area.width - named;
  const shares = [0.36, 0.42, 0.22];
  const y = (bytes: number) => area.y + (bytes / total) * area.height;
  const placed: PlacedBox[] = [];
  let x = area.x;
  levels.forEach((level, l) => {
    const width = room * shares[l]!;
    for (const box of level) {
      const rect = {
        x,
        y: y(box.from),
        width: width - 1,
        height: Math.max(1, y(box.from + box.bytes) - y(box.from) - 1),
      };
      fillBox(surface, theme, box, rect);
      if (l < 2) nameInside(surface, theme, box, rect);
      placed.push({ box, rect });
    }
    x += width;
  });
  nameParts(surface, theme, placed, x + 6, area);
  const own = placed.find(({ box }) => box.path.join() === pointed?.join());
  if (own) drawBox(surface, theme, own.rect, false);
  return placed;
}

function fillBox({ context, density }: Surface, theme: Theme, { tone, fill }: PartBox, rect: Rect): void {
  const paint = (style: string | CanvasPattern) => {
    context.fillStyle = style;
    context.fillRect(rect.x, rect.y, rect.width, rect.height);
  };
  paint(groundOf(theme, tone, fill));
  if (fill === 'dots') paint(dotPattern(context, theme.slack, density));
  if (fill === 'hatch') paint(hatchPattern(context, theme.slack, density, 7, 1));
  if (tone !== 'tier' && tone !== 'fresh') return;
  context.strokeStyle = theme.ink3;
  context.lineWidth = 1;
  context.strokeRect(rect.x + 0.5, rect.y + 0.5, rect.width - 1, Math.max(0, rect.height - 1));
}

function groundOf(theme: Theme, tone: PartBox['tone'], fill: PartBox['fill']): string {
  if (tone === 'tier') return theme.paper;
  if (tone === 'slack') return theme.goneGround;
  return fill === 'light' ? faded(theme, theme.tones[tone], 0.62) : theme.tones[tone];
}

/** Name and bytes on the box itself, as far as it has room. */
function nameInside(surface: Surface, theme: Theme, box: PartBox, rect: Rect): void {
  if (rect.height < 13) return;
  const colour = box.tone === 'tier' || box.tone === 'slack' ? theme.ink : inkOn(theme, theme.tones[box.tone]);
  const name = box.path.at(-1)!;
  const amount = `${mebibytes(box.bytes)} MiB`;
  const fits = (words: string) => textWidth(surface, theme, words) <= rect.width - 12;
  const lines = rect.height >= 30 ? [name, amount].filter(fits) : [[`${name} ${amount}`, name].find(fits) ?? ''];
  const middle = rect.y + rect.height / 2;
  for (const [i, words] of lines.entries())
    drawText(surface, theme, words, rect.x + 6, middle + (i - (lines.length - 1) / 2) * 15, { colour, bold: i === 0 });
}

/** Height in pixels from which a part is named; pointing at it and the table name the others. */
const leastNamed = 5;

/** Parts are named at their right end, apart enough to be read; the smallest lose their names first. */
function nameParts(surface: Surface, theme: Theme, placed: readonly PlacedBox[], x: number, area: Rect): void {
  const apart = 14;
  const most = Math.max(1, Math.floor(area.height / apart));
  const parts = placed
    .filter(({ box, rect }) => box.path.length === 3 && rect.height >= leastNamed)
    .sort((a, b) => b.box.bytes - a.box.bytes)
    .slice(0, most)
    .sort((a, b) => a.box.from - b.box.from)
    .map(({ box, rect }) => ({ box, rect, at: rect.y + rect.height / 2 }));
  for (let i = 1; i < parts.length; i++) parts[i]!.at = Math.max(parts[i]!.at, parts[i - 1]!.at + apart);
  let bottom = area.y + area.height - 4;
  for (const part of [...parts].reverse()) {
    part.at = Math.min(part.at, bottom);
    bottom = part.at - apart;
  }
  for (const { box, rect, at } of parts) {
    const middle = rect.y + rect.height / 2;
    if (Math.abs(at - middle) > 1)
      drawLine(
        surface,
        [
          [x - 6, middle],
          [x, at],
        ],
        { colour: theme.rule2 },
      );
    const long = `${box.path[2]} ${mebibytes(box.bytes)} MiB, ${percent(box.share)}`;
    const short = `${box.path[2]} ${mebibytes(box.bytes)}`;
    const words = textWidth(surface, theme, long) <= area.x + area.width - x - 3 ? long : short;
    drawText(surface, theme, words, x + 3, at, { colour: theme.ink });
  }
}
