/** The page map: layers down, pages along. */
import { hatchPattern } from '../../draw/cells.ts';
import { drawRampKey, drawText } from '../../draw/marks.ts';
import { indexTicks, roundTicks, whole } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import { rampIndex, type Theme } from '../../draw/theme.ts';
import type { Store } from '../../store/store.ts';
import { type PageMap, pagePositions } from './pages.ts';

/** The page map: layers down, pages along; dark is full, hatched is free. Gives where it lies. */
export function drawPages(surface: Surface, theme: Theme, map: PageMap, store: Store, room: Rect): Rect {
  const { context } = surface;
  const density = surface.density;
  const cell = {
    width: Math.max(1, Math.floor((room.width * density) / map.pages)) / density,
    height: Math.max(1, Math.floor((room.height * density) / map.layers)) / density,
  };
  const rect = { ...room, width: cell.width * map.pages, height: cell.height * map.layers };
  const gap = Math.min(cell.width, cell.height) > 5 ? 1 : 0;
  drawText(
    surface,
    theme,
    `${map.measured ? 'Pages of the method' : `Pages of ${pagePositions} positions`}: ${whole(map.free)} of ${whole(map.live.length)} free`,
    rect.x,
    7,
    {
      bold: true,
      colour: theme.ink,
    },
  );
  const hatch = hatchPattern(context, theme.goneHatch, density, 4, 1);
  for (let layer = 0; layer < map.layers; layer++)
    for (let page = 0; page < map.pages; page++) {
      const live = map.live[layer * map.pages + page]!;
      const place = [
        rect.x + page * cell.width,
        rect.y + layer * cell.height,
        cell.width - gap,
        cell.height - gap,
      ] as const;
      context.fillStyle = live ? theme.rampCss[Math.max(18, rampIndex(live / map.room))]! : theme.goneGround;
      const elsewhere =
        map.tier !== undefined && map.tier[layer * map.pages + page]! > 0 && map.tier[layer * map.pages + page]! < 255;
      if (live && elsewhere) {
        // Another tier: the outline alone.
        context.strokeStyle = context.fillStyle;
        context.strokeRect(place[0] + 0.5, place[1] + 0.5, Math.max(1, place[2] - 1), Math.max(1, place[3] - 1));
        continue;
      }
      context.fillRect(...place);
      if (live) continue;
      context.fillStyle = hatch;
      context.fillRect(...place);
    }
  for (const layer of indexTicks(map.layers, 10))
    drawText(surface, theme, String(layer), rect.x - 6, rect.y + (layer + 0.5) * cell.height, {
      align: 'right',
      colour: theme.ink3,
    });
  const bottom = rect.y + rect.height;
  const positions = map.bounds[map.pages]!;
  for (const tick of roundTicks([0, positions], 3))
    drawText(surface, theme, String(tick), rect.x + (tick / positions) * rect.width, bottom + 10, {
      align: tick ? 'center' : 'left',
      colour: theme.ink3,
    });
  drawRampKey(surface, theme, rect.x, bottom + 26, 'live 1', String(map.room), 60);
  const { layer, position } = { ...store.locked, ...store.preview };
  context.strokeStyle = theme.ink;
  context.lineWidth = 1;
  if (position !== undefined && position < positions)
    context.strokeRect(rect.x + pageAt(map, position) * cell.width - 0.5, rect.y - 0.5, cell.width, rect.height);
  if (layer !== undefined && layer < map.layers)
    context.strokeRect(rect.x - 0.5, rect.y + layer * cell.height - 0.5, rect.width, cell.height);
  return rect;
}

/** The page that holds a position. */
export function pageAt({ bounds, pages }: PageMap, position: number): number {
  let page = 0;
  while (page < pages - 1 && bounds[page + 1]! <= position) page++;
  return page;
}
