/** The picture of a finished run, at two pixels for one of the page: a title, one sentence, and what the run is about. */
import type { Columns, TokenText } from '../frame.ts';
import { amountColour, goneGround, goneHatch, ink, ink2, ink3, paper } from './colours.ts';
import type { RunFacts } from './facts.ts';
import { drawMap, type MapPlan, mapHeight, planMap, shareColour } from './map.ts';
import { drawOverview, overviewHeight } from './overview.ts';
import { blank, type Colour, fill, hatch, type Picture, textWidth, write } from './paint.ts';
import { sentenceOf } from './text.ts';

/** Pixels of the picture for one pixel of the page. */
export const density = 2;

const width = 1440;
const head = 120;

/** Runs that evicted something are drawn as a survival map, others as bytes and attention. */
export function drawRun(facts: RunFacts, columns: Columns, texts: readonly TokenText[]): Picture {
  const { info, evicted } = facts;
  const plan = evicted.entries > 0 ? planMap(columns, info) : undefined;
  const below = plan ? mapHeight(plan, columns, info) : overviewHeight;
  const picture = blank(width, Math.ceil((head + below) / density) * density, paper);
  const legend = plan ? legendWidth(plan) : 0;
  const room = width - 68 - legend;
  const method = fitting(info.method.name, 19, room);
  const used = write(picture, method, 28, 48, { colour: ink, size: 19, bold: true });
  write(picture, fitting(info.method.setting, 16, room - used - 16), 44 + used, 48, { colour: ink2, size: 16 });
  write(picture, fitting(sentenceOf(facts), 15, width - 56), 28, 84, { colour: ink2, size: 15 });
  if (plan) {
    drawLegend(picture, plan, width - 40 - legend);
    drawMap(picture, plan, columns, info, texts, head);
  } else {
    drawOverview(picture, columns, info, head);
    if (columns['sink.mass']) drawRamp(picture, width - 40 - rampWidth('0', '1'), ['0', '1'], amountColour);
  }
  return picture;
}

const heading = 'heads holding';
const ramp = 120;

function rampWidth(low: string, high: string): number {
  return textWidth(low, 14) + textWidth(high, 14) + ramp + 20;
}

function legendWidth(plan: MapPlan): number {
  return textWidth(heading, 14) + 14 + rampWidth('1', String(plan.heads)) + 40 + 22 + 10 + textWidth('none', 14);
}

function drawLegend(picture: Picture, plan: MapPlan, left: number): void {
  let x = left + write(picture, heading, left, 48, { colour: ink2, size: 14 }) + 14;
  x = drawRamp(picture, x, ['1', String(plan.heads)], shareColour) + 40;
  hatch(picture, [x, 32, 22, 16], goneGround, goneHatch, 12);
  write(picture, 'none', x + 32, 48, { colour: ink2, size: 14 });
}

/** The ramp with both its ends. Returns where it ends. */
function drawRamp(
  picture: Picture,
  left: number,
  [low, high]: readonly [string, string],
  colourOf: (amount: number) => Colour,
): number {
  let x = left + write(picture, low, left, 48, { colour: ink2, size: 14 }) + 10;
  fill(picture, x - 2, 30, ramp + 4, 20, ink3);
  for (let i = 0; i < ramp; i++) fill(picture, x + i, 32, 1, 16, colourOf(i / (ramp - 1)));
  x += ramp + 10;
  return x + write(picture, high, x, 48, { colour: ink2, size: 14 });
}

/** A text cut with an ellipsis where it is wider than its room. */
function fitting(text: string, size: number, room: number): string {
  const letters = [...text.replace(/\s+/g, ' ')];
  if (textWidth(letters.join(''), size) <= room) return letters.join('');
  while (letters.length > 0 && textWidth(`${letters.join('')}…`, size) > room) letters.pop();
  return `${letters.join('').trimEnd()}…`;
}
