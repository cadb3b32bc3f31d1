/** Slope lines: the rank of each heavy token at two steps, joined by a line. */
import { rankCount, type Selection } from 'kvlab/frame';
import { drawLine, drawText, textWidth } from '../../draw/marks.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import { tokenWord } from '../../draw/words.ts';
import type { Run } from '../../store/run.ts';
import type { RankChange, RankChanges } from './ranks.ts';

/** Where a token's line ends at a side of the drawing. */
export interface SlopeEnd {
  position: number;
  side: 'left' | 'right';
  y: number;
}

const names = 118;
const rowHeight = 12;

/** Draws the lines, or the axes alone where there is nothing to compare, and gives where they end. Ranks that have no room, or were not among the 24, share the lowest row. */
export function drawSlopes(
  surface: Surface,
  theme: Theme,
  run: Run,
  changes: RankChanges | undefined,
  area: Rect,
  selected: number | undefined,
): SlopeEnd[] {
  const rows = Math.max(2, Math.min(rankCount, Math.floor(area.height / rowHeight) - 1));
  const height = Math.min(16, area.height / (rows + 1));
  const y = (rank: number | undefined) => area.y + (Math.min(rank ?? rows, rows) + 0.5) * height;
  const shown = (rank: number | undefined) => rank !== undefined && rank < rows;
  const [left, right] = [area.x + names, area.x + area.width - names];
  for (const x of [left, right])
    drawLine(
      surface,
      [
        [x, area.y],
        [x, y(rows)],
      ],
      { colour: theme.rule2 },
    );
  if (!changes) return [];
  const { from, to, tokens } = changes;
  drawText(surface, theme, `step ${from}`, left, area.y - 10, { bold: true, align: 'center', colour: theme.ink });
  drawText(surface, theme, `step ${to}`, right, area.y - 10, { bold: true, align: 'center', colour: theme.ink });
  const ends: SlopeEnd[] = [];
  const last = [...tokens].sort((a, b) => Number(a.position === selected) - Number(b.position === selected));
  for (const token of last) {
    const { position, before, after } = token;
    const own = position === selected;
    const line = [
      [left, y(before)],
      [right, y(after)],
    ] as const;
    if (own) drawLine(surface, line, { colour: theme.paper, width: 5 });
    drawLine(surface, line, {
      colour: own ? theme.ink : rises(token) ? theme.tones.heavy : theme.ink3,
      width: own ? 2 : 1.2,
      // What comes from or goes to below the list is dashed.
      dash: shown(before) && shown(after) ? [] : [4, 3],
      opacity: own ? 1 : 0.8,
    });
    for (const [side, rank] of [
      ['left', before],
      ['right', after],
    ] as const) {
      const at = side === 'left' ? left : right;
      drawDot(surface, own ? theme.ink : rises(token) ? theme.tones.heavy : theme.ink3, at, y(rank));
      if (!shown(rank)) continue;
      ends.push({ position, side, y: y(rank) });
      const away = side === 'left' ? -1 : 1;
      const align = side === 'left' ? 'right' : 'left';
      const number = String(rank! + 1);
      drawText(surface, theme, number, at + away * 7, y(rank), { size: 10, align, colour: theme.ink3 });
      const words = fitted(surface, theme, `${position} ${wordOf(run, position)}`, names - 32, own);
      drawText(surface, theme, words, at + away * 24, y(rank), {
        size: 10,
        align,
        bold: own,
        colour: own ? theme.ink : theme.ink2,
      });
    }
  }
  const small = { size: 10, colour: theme.ink3 } as const;
  if (tokens.some(({ before }) => !shown(before)))
    drawText(surface, theme, `below ${rows}`, left - 7, y(rows), { ...small, align: 'right' });
  if (tokens.some(({ after }) => !shown(after))) drawText(surface, theme, `below ${rows}`, right + 7, y(rows), small);
  return ends;
}

const rises = ({ before, after }: RankChange): boolean => (after ?? rankCount) < (before ?? rankCount);
const wordOf = (run: Run, position: number): string => tokenWord(run.texts[position]?.text ?? '').trim() || '␣';

/** A name that fits, else its position alone: words are never cut. */
function fitted(surface: Surface, theme: Theme, words: string, width: number, bold: boolean): string {
  return textWidth(surface, theme, words, { size: 10, bold }) <= width ? words : words.split(' ')[0]!;
}

function drawDot({ context }: Surface, colour: string, x: number, y: number): void {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, 2.2, 0, 2 * Math.PI);
  context.fill();
}

/** The token whose line ends nearest at a side. */
export function pointedEnd(ends: readonly SlopeEnd[], side: SlopeEnd['side'], y: number): Selection | undefined {
  const near = ends
    .filter((end) => end.side === side && Math.abs(end.y - y) <= rowHeight)
    .sort((a, b) => Math.abs(a.y - y) - Math.abs(b.y - y))[0];
  return near && { position: near.position };
}
