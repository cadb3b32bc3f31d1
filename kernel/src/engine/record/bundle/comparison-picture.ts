/** The picture of a comparison: KL of each method over the judged tokens, and bytes held against mean KL. */
import type { Columns } from '../frame.ts';
import { axis, ink, ink2, paper, rule } from './colours.ts';
import { type ComparisonFacts, comparisonSentence, laneName } from './comparison-facts.ts';
import { counted, unitOf } from './numbers.ts';
import { blank, type Colour, fill, line, type Picture, write } from './paint.ts';
import { roundTicks } from './ticks.ts';

const methodColours: readonly Colour[] = [
  [106, 63, 160],
  [163, 82, 0],
  [0, 124, 134],
  [181, 137, 0],
];
const otherColour: Colour = [107, 112, 121];
const plot = { top: 190, height: 360 };
const lineHeight = 30;

/** Colour of a lane: the full cache is ink, the first four methods have hues, the others are grey. */
function colourOf(lane: number): Colour {
  return lane === 0 ? ink : (methodColours[lane - 1] ?? otherColour);
}

export function drawComparison(facts: ComparisonFacts, columns: Columns): Picture {
  const { lanes, judged, info } = facts;
  const height = judged ? plot.top + plot.height + 96 + lanes.length * lineHeight : 150 + lanes.length * lineHeight;
  const picture = blank(1440, 2 * Math.ceil(height / 2), paper);
  write(picture, 'Comparison', 28, 48, { colour: ink, size: 19, bold: true });
  const words = `${info.comparison!.mode}, ${counted(info.promptLength)} prompt tokens, ${info.comparison!.sampler}, seed ${info.seed}`;
  write(picture, words, 190, 48, { colour: ink2, size: 16 });
  write(picture, comparisonSentence(facts), 28, 84, { colour: ink2, size: 15 });
  if (judged) {
    drawLines(picture, facts, columns);
    drawPoints(picture, facts);
  }
  const below = judged ? plot.top + plot.height + 110 : 134;
  lanes.forEach((lane, p) => {
    const y = below + p * lineHeight;
    fill(picture, 28, y - 9, 26, 6, colourOf(p));
    const forced = judged
      ? `KL ${lane.kl.toFixed(3)}, top-1 ${Math.round(100 * lane.agreement)} %, perplexity ${lane.perplexity.toFixed(2)}`
      : '';
    const at = lane.free?.divergesAt;
    const free = lane.free && p ? (at === undefined ? 'never diverges' : `diverges at token ${at + 1}`) : '';
    write(picture, laneName(lane), 66, y, { colour: ink, size: 14 });
    write(picture, [forced, free].filter(Boolean).join('; '), 560, y, { colour: ink2, size: 14 });
  });
  return picture;
}

function drawLines(picture: Picture, { lanes, judged }: ComparisonFacts, columns: Columns): void {
  const [left, width] = [84, 780];
  const P = lanes.length;
  const { data } = columns['compare.kl']!;
  const smooth = lanes.map((_, p) =>
    Array.from({ length: judged }, (_, row) => {
      const from = Math.max(0, row - 7);
      let sum = 0;
      for (let r = from; r <= row; r++) sum += data[r * P + p]!;
      return sum / (row - from + 1);
    }),
  );
  const most = Math.max(1e-3, ...smooth.flat());
  const y = (kl: number) => plot.top + plot.height - (kl / most) * plot.height;
  const x = (row: number) => left + (row / Math.max(1, judged - 1)) * width;
  write(picture, 'KL to the full cache, nats', 28, plot.top - 40, { colour: ink, size: 15, bold: true });
  write(picture, 'mean of up to 8 tokens', left + width, plot.top - 40, { colour: ink2, size: 14, align: 'right' });
  for (const tick of roundTicks(most, 4)) {
    fill(picture, left, y(tick) - 1, width, 2, tick ? rule : axis);
    write(picture, String(tick), left - 14, y(tick) + 7, { colour: ink2, size: 14, align: 'right' });
  }
  for (const tick of roundTicks(judged - 1, 5))
    write(picture, String(tick), x(tick), plot.top + plot.height + 30, { colour: ink2, size: 14, align: 'middle' });
  write(picture, 'token of the answer', left + width / 2, plot.top + plot.height + 60, {
    colour: ink2,
    size: 14,
    align: 'middle',
  });
  smooth.forEach((series, p) => {
    if (p > 0)
      line(
        picture,
        series.map((kl, row) => [x(row), y(kl)] as const),
        colourOf(p),
        4,
      );
  });
}

function drawPoints(picture: Picture, { lanes }: ComparisonFacts): void {
  const [left, width] = [1000, 380];
  const most = Math.max(...lanes.map(({ held }) => held));
  const [unit, size] = unitOf(most);
  const shown = lanes.map(({ kl }) => Math.max(1e-4, kl));
  const low = Math.floor(Math.log10(Math.min(0.1, ...shown.slice(1))));
  const high = Math.ceil(Math.log10(Math.max(1, ...shown.slice(1))));
  const y = (kl: number) => plot.top + plot.height - ((Math.log10(kl) - low) / (high - low)) * plot.height;
  const x = (bytes: number) => left + (bytes / most) * width * 0.96;
  write(picture, `Mean KL, log, against ${unit} held`, left - 60, plot.top - 40, { colour: ink, size: 15, bold: true });
  for (let power = low; power <= high; power++) {
    fill(picture, left, y(10 ** power) - 1, width, 2, power === low ? axis : rule);
    write(picture, String(10 ** power), left - 14, y(10 ** power) + 7, { colour: ink2, size: 14, align: 'right' });
  }
  for (const tick of roundTicks(most / size, 4))
    write(picture, String(tick), x(tick * size), plot.top + plot.height + 30, {
      colour: ink2,
      size: 14,
      align: 'middle',
    });
  lanes.slice(1).forEach(({ held }, i) => {
    const [cx, cy] = [x(held), y(shown[i + 1]!)];
    line(picture, [[cx, cy] as const, [cx + 0.1, cy] as const], colourOf(i + 1), 16);
  });
}
