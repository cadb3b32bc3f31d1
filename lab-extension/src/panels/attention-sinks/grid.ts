/** The grid of layers and query heads, its long side along the panel's long side, grouped by KV head. */
import { drawBox, drawLine, drawText } from '../../draw/marks.ts';
import { indexTicks } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import type { SinkDrawing } from './encode.ts';

export interface HeadGrid {
  rect: Rect;
  /** True when layers run down. */
  tall: boolean;
  cell: { width: number; height: number };
  layers: number;
  queryHeads: number;
  /** Query head in each column of a layer, and the column of each head, [layers, queryHeads]. */
  order: Uint16Array;
  place: Uint16Array;
}

/** Fits the grid into a rectangle with cells of whole device pixels. */
export function fitGrid(
  surface: Surface,
  room: Rect,
  { layers, queryHeads, order }: Pick<SinkDrawing, 'layers' | 'queryHeads' | 'order'>,
  tall: boolean,
): HeadGrid {
  const size = (length: number, count: number, most: number) =>
    Math.max(2, Math.min(most * surface.density, Math.floor((length * surface.density) / count))) / surface.density;
  const [columns, rows] = tall ? [queryHeads, layers] : [layers, queryHeads];
  const cell = { width: size(room.width, columns, 24), height: size(room.height, rows, 16) };
  const place = new Uint16Array(order.length);
  for (const [i, head] of order.entries()) place[Math.floor(i / queryHeads) * queryHeads + head] = i % queryHeads;
  const rect = { ...room, width: columns * cell.width, height: rows * cell.height };
  return { rect, tall, cell, layers, queryHeads, order, place };
}

export function headRect({ place, queryHeads, ...grid }: HeadGrid, layer: number, queryHead: number): Rect {
  return cellRect(grid, layer, place[layer * queryHeads + queryHead]!);
}

/** Where the n-th place of a layer lies, whichever head stands there. */
function cellRect({ rect, tall, cell }: Pick<HeadGrid, 'rect' | 'tall' | 'cell'>, layer: number, nth: number): Rect {
  const [column, row] = tall ? [nth, layer] : [layer, nth];
  return { x: rect.x + column * cell.width, y: rect.y + row * cell.height, width: cell.width, height: cell.height };
}

/** The head under a point. */
export function headAt(grid: HeadGrid, x: number, y: number): { layer: number; queryHead: number } | undefined {
  const column = Math.floor((x - grid.rect.x) / grid.cell.width);
  const row = Math.floor((y - grid.rect.y) / grid.cell.height);
  const [layer, nth] = grid.tall ? [row, column] : [column, row];
  return layer >= 0 && layer < grid.layers && nth >= 0 && nth < grid.queryHeads
    ? { layer, queryHead: grid.order[layer * grid.queryHeads + nth]! }
    : undefined;
}

export function drawGrid(surface: Surface, theme: Theme, grid: HeadGrid, drawing: SinkDrawing): void {
  const { context } = surface;
  const gap = grid.cell.width > 8 && grid.cell.height > 8 ? 1 : 0;
  for (let layer = 0; layer < grid.layers; layer++)
    for (let head = 0; head < grid.queryHeads; head++) {
      const { x, y, width, height } = headRect(grid, layer, head);
      context.fillStyle = theme.rampCss[rampIndex(drawing.values[layer * grid.queryHeads + head]! / drawing.most)]!;
      context.fillRect(x, y, width - gap, height - gap);
    }
  context.strokeStyle = theme.rule;
  context.lineWidth = 1;
  context.strokeRect(grid.rect.x - 0.5, grid.rect.y - 0.5, grid.rect.width, grid.rect.height);
  drawLabels(surface, theme, grid, drawing);
}

function drawLabels(
  surface: Surface,
  theme: Theme,
  grid: HeadGrid,
  { kvHeads, queryHeads, layers, sorted }: SinkDrawing,
): void {
  const { rect, cell, tall } = grid;
  const group = queryHeads / kvHeads;
  const small = { size: 10, colour: theme.ink3 } as const;
  const everyHead = !sorted && (tall ? cell.width : cell.height) >= 10;
  for (let head = 0; head < queryHeads; head++) {
    if (!everyHead) break;
    const { x, y } = headRect(grid, 0, head);
    if (tall) drawText(surface, theme, String(head), x + cell.width / 2, rect.y - 8, { ...small, align: 'center' });
    else drawText(surface, theme, String(head), rect.x - 6, y + cell.height / 2, { ...small, align: 'right' });
  }
  if (sorted && tall) drawText(surface, theme, 'most first', rect.x, rect.y - 8, small);
  for (let kv = 0; kv < kvHeads && !sorted; kv++) {
    const start = headRect(grid, 0, kv * group);
    const length = (tall ? cell.width : cell.height) * group;
    const middle = (tall ? start.x : start.y) + length / 2;
    if (tall) {
      drawLine(
        surface,
        [
          [start.x + 1, rect.y - 17],
          [start.x + length - 3, rect.y - 17],
        ],
        { colour: theme.rule2 },
      );
      drawText(surface, theme, `kv ${kv}`, middle, rect.y - 25, { ...small, align: 'center' });
    } else {
      drawLine(
        surface,
        [
          [rect.x - 18, start.y + 1],
          [rect.x - 18, start.y + length - 3],
        ],
        { colour: theme.rule2 },
      );
      drawText(surface, theme, `kv ${kv}`, rect.x - 24, middle, { ...small, align: 'right' });
    }
  }
  for (const layer of indexTicks(layers, 5)) {
    const { x, y } = cellRect(grid, layer, 0);
    if (tall)
      drawText(surface, theme, String(layer), rect.x - 6, y + cell.height / 2, { colour: theme.ink3, align: 'right' });
    else
      drawText(surface, theme, layer === 0 ? 'layer' : String(layer), x + cell.width / 2, rect.y - 9, {
        colour: theme.ink3,
        align: 'center',
      });
  }
}

/** Frames the selected head, and thinly the group that shares its KV head. */
export function markHead(
  surface: Surface,
  theme: Theme,
  grid: HeadGrid,
  kvHeads: number,
  selection: { layer?: number; queryHead?: number; kvHead?: number },
  locked: boolean,
): void {
  const { layer, queryHead, kvHead } = selection;
  if (layer === undefined || layer >= grid.layers) return;
  const sorted = grid.order.some((head, i) => head !== i % grid.queryHeads);
  if (kvHead !== undefined && !sorted) {
    const group = grid.queryHeads / kvHeads;
    const first = headRect(grid, layer, kvHead * group);
    const length = {
      width: grid.tall ? first.width * group : first.width,
      height: grid.tall ? first.height : first.height * group,
    };
    drawBox(surface, theme, { ...first, width: length.width - 1, height: length.height - 1 }, false);
  }
  if (queryHead === undefined) return;
  const cell = headRect(grid, layer, queryHead);
  drawBox(surface, theme, { ...cell, width: cell.width - 1, height: cell.height - 1 }, locked);
}
