/** The flow between tiers: what came nearer to the runtime above, what went farther below, as wide as it is large. */
import { type Tier, tiers } from 'kvlab/frame';
import { hatchPattern } from '../../draw/cells.ts';
import { drawText, textWidth } from '../../draw/marks.ts';
import { mebibytes, whole } from '../../draw/scale.ts';
import type { Rect, Surface } from '../../draw/surface.ts';
import type { Theme } from '../../draw/theme.ts';
import type { MovesDrawing, TierFlow } from './moves.ts';

const nodeWidth = 14;
/** From the farthest to the nearest to the runtime. */
const order: readonly Tier[] = [...tiers].reverse();
const names: Readonly<Record<Tier, string>> = { device: 'device', host: 'host', disk: 'file' };

/** Draws the tiers that hold or move something, and ribbons between them. */
export function drawFlow(surface: Surface, theme: Theme, { flows, held, steps }: MovesDrawing, area: Rect): void {
  const used = order.filter(
    (tier) => held[tiers.indexOf(tier)]! > 0 || flows.some(({ from, to }) => from === tier || to === tier),
  );
  const nearer = (flow: TierFlow) => order.indexOf(flow.to) > order.indexOf(flow.from);
  const [up, down] = [flows.filter(nearer), flows.filter((flow) => !nearer(flow))];
  const side = (tier: Tier, list: readonly TierFlow[]) =>
    Math.max(
      list.filter(({ from }) => from === tier).reduce((sum, { bytes }) => sum + bytes, 0),
      list.filter(({ to }) => to === tier).reduce((sum, { bytes }) => sum + bytes, 0),
    );
  const highest = Math.max(1, ...used.map((tier) => side(tier, up) + side(tier, down)));
  const inner = { y: area.y + 22, height: area.height - 66 };
  const gap = up.length && down.length ? 26 : 0;
  const scale = (inner.height - gap) / highest;
  const x = (tier: Tier) => {
    const place = used.indexOf(tier);
    const [left, right] = [area.x + 30, area.x + area.width - 44 - nodeWidth];
    return used.length < 2 ? (left + right) / 2 : left + (place / (used.length - 1)) * (right - left);
  };
  const most = (list: readonly TierFlow[]) => Math.max(0, ...used.map((tier) => side(tier, list))) * scale;
  const [upTop, downTop] = [inner.y, inner.y + most(up) + gap];
  for (const [list, top, words] of [
    [up, upTop, 'brought nearer'],
    [down, downTop, 'sent away'],
  ] as const)
    for (const flow of list) {
      const left = Math.min(x(flow.from), x(flow.to)) + nodeWidth;
      const right = Math.max(x(flow.from), x(flow.to));
      ribbon(surface, theme, flow, { x: left, y: top, width: right - left, height: Math.max(2, flow.bytes * scale) });
      const long = `${words}: ${mebibytes(flow.bytes)} MiB in ${whole(flow.moves)} moves`;
      const short = `${mebibytes(flow.bytes)} MiB`;
      const text = textWidth(surface, theme, long) < right - left - 8 ? long : short;
      drawText(surface, theme, text, (left + right) / 2, top + (flow.bytes * scale) / 2, {
        align: 'center',
        colour: theme.ink,
        halo: true,
      });
    }
  for (const tier of used) {
    const bottom = area.y + area.height - 34;
    node(surface, theme, tier, { x: x(tier), y: inner.y, width: nodeWidth, height: bottom - inner.y });
    const centre = x(tier) + nodeWidth / 2;
    drawText(surface, theme, names[tier], centre, area.y + 10, { align: 'center', bold: true, colour: theme.ink });
    const amount = `${mebibytes(held[tiers.indexOf(tier)]!)} MiB`;
    drawText(surface, theme, amount, centre, bottom + 12, { align: 'center', colour: theme.ink });
    drawText(surface, theme, tier === 'disk' ? 'in the file' : 'held', centre, bottom + 27, { align: 'center' });
  }
  if (flows.length) return;
  const middle = area.x + area.width / 2;
  const words = `Nothing moved in steps ${steps[0]} to ${steps[1]}`;
  drawText(surface, theme, words, middle, area.y + area.height / 2, { align: 'center', halo: true });
}

/** A band with an arrow at the end that it goes to. */
function ribbon({ context, density }: Surface, theme: Theme, { from, to }: TierFlow, rect: Rect): void {
  const right = order.indexOf(to) > order.indexOf(from);
  const tip = Math.min(18, rect.width / 4);
  const [start, neck, end] = right
    ? [rect.x, rect.x + rect.width - tip, rect.x + rect.width]
    : [rect.x + rect.width, rect.x + tip, rect.x];
  context.save();
  context.beginPath();
  context.moveTo(start, rect.y);
  context.lineTo(neck, rect.y);
  context.lineTo(end, rect.y + rect.height / 2);
  context.lineTo(neck, rect.y + rect.height);
  context.lineTo(start, rect.y + rect.height);
  context.closePath();
  context.globalAlpha = 0.45;
  context.fillStyle =
    from === 'disk'
      ? hatchPattern(context, theme.slack, density, 7, 1)
      : theme.tones[from === 'host' ? 'body' : 'recent'];
  context.fill();
  context.restore();
}

function node({ context, density }: Surface, theme: Theme, tier: Tier, { x, y, width, height }: Rect): void {
  context.fillStyle = tier === 'disk' ? theme.goneGround : theme.tones[tier === 'host' ? 'body' : 'recent'];
  context.fillRect(x, y, width, height);
  if (tier !== 'disk') return;
  context.fillStyle = hatchPattern(context, theme.slack, density, 7, 1);
  context.fillRect(x, y, width, height);
}
