/** The survival map: token across, step down, ink for the share of heads that hold it; beside it the bytes held. */
import type { Columns, RunInfo, TokenText } from '../frame.ts';
import { type Band, bandsOf, fillBand, nameBand } from './bands.ts';
import { amountColour, axis, goneGround, goneHatch, ink, ink2, ink3, paper, rule } from './colours.ts';
import { counted, unitOf } from './numbers.ts';
import { type Colour, dashes, fill, hatch, type Picture, textWidth, write } from './paint.ts';
import { canDraw } from './strokes.ts';
import { replayHolding, rowsByStep } from './survival.ts';
import { roundTicks } from './ticks.ts';

/** Where the map lies, how its cells are binned, and what they hold. */
export interface MapPlan {
  columns: number;
  rows: number;
  /** Pixels of a cell. */
  cellWidth: number;
  cellHeight: number;
  /** Tokens in a column and steps in a row. */
  tokenBin: number;
  stepBin: number;
  tokens: number;
  steps: number;
  promptTokens: number;
  heads: number;
  /** Largest number of heads that hold a token of the cell after its last step; -1 where none is written yet. */
  cells: Int32Array;
  /** Heads that hold each token at the end. */
  atEnd: Uint16Array;
}

const roomAcross = 1020;
const roomDown = 600;
const largestCell = 24;

/** Colour of a share of heads. One head of many is still seen: the ramp starts a little above paper. */
export function shareColour(share: number): Colour {
  return amountColour(0.1 + 0.9 * share);
}

/** Replays a run into cells that fit the room; undefined without tokens. */
export function planMap(columns: Columns, info: RunInfo): MapPlan | undefined {
  const bornAt = columns['token.step']?.data;
  if (!bornAt || bornAt.length === 0) return undefined;
  const tokens = bornAt.length;
  const steps = bornAt[tokens - 1]! + 1;
  const tokenBin = Math.ceil((tokens * 2) / roomAcross);
  const stepBin = Math.ceil((steps * 2) / roomDown);
  const plan: MapPlan = {
    columns: Math.ceil(tokens / tokenBin),
    rows: Math.ceil(steps / stepBin),
    cellWidth: 0,
    cellHeight: 0,
    tokenBin,
    stepBin,
    tokens,
    steps,
    promptTokens: bornAt.filter((step) => step === 0).length,
    heads: info.model.layers * info.model.kvHeads,
    cells: new Int32Array(0),
    atEnd: new Uint16Array(tokens),
  };
  plan.cellWidth = Math.min(largestCell, Math.floor(roomAcross / plan.columns));
  plan.cellHeight = Math.min(largestCell, Math.floor(roomDown / plan.rows));
  plan.cells = new Int32Array(plan.columns * plan.rows).fill(-1);
  replayHolding(columns, info, (step, seen, holding) => {
    const row = Math.floor(step / stepBin);
    if (step !== Math.min(steps - 1, row * stepBin + stepBin - 1)) return;
    for (let position = 0; position < seen; position++) {
      const cell = row * plan.columns + Math.floor(position / tokenBin);
      plan.cells[cell] = Math.max(plan.cells[cell]!, holding[position]!);
    }
    if (step === steps - 1) plan.atEnd.set(holding);
  });
  return plan;
}

/** Pixels that the map and its axes need below their top edge. */
export function mapHeight(plan: MapPlan, columns: Columns, info: RunInfo): number {
  return 84 + plan.rows * plan.cellHeight + Math.max(84, 66 + 28 * bandsOf(columns, info).length);
}

/** Draws words, map, axes and the bytes beside it, with the top edge at `top`. */
export function drawMap(
  picture: Picture,
  plan: MapPlan,
  columns: Columns,
  info: RunInfo,
  texts: readonly TokenText[],
  top: number,
): void {
  const [left, upper] = [112, top + 84];
  const [width, height] = [plan.columns * plan.cellWidth, plan.rows * plan.cellHeight];
  const across = (position: number) => left + (position / plan.tokenBin) * plan.cellWidth;
  for (let row = 0; row < plan.rows; row++)
    for (let column = 0; column < plan.columns; column++) {
      const heads = plan.cells[row * plan.columns + column]!;
      if (heads < 0) continue;
      const [x, y] = [left + column * plan.cellWidth, upper + row * plan.cellHeight];
      if (heads === 0) hatch(picture, [x, y, plan.cellWidth, plan.cellHeight], goneGround, goneHatch, 12);
      else fill(picture, x, y, plan.cellWidth, plan.cellHeight, shareColour(heads / plan.heads));
    }
  fill(picture, left, upper - 14, across(plan.promptTokens) - left, 8, amountColour(1));
  write(picture, 'prompt', left - 12, upper - 5, { colour: ink2, size: 14, align: 'right' });
  if (plan.promptTokens < plan.tokens)
    dashes(picture, [Math.round(across(plan.promptTokens)) - 1, upper, height], 'down', [2, 4], ink);
  drawAxes(picture, plan, left, upper);
  drawWords(picture, plan, texts, across, upper - 24);
  // The triangle right of the newest token must hold the words and some air.
  const note = 'not written yet';
  const newest = across(plan.promptTokens + plan.steps * 0.12);
  if (left + width - newest > textWidth(note, 14) + 40 && height > 120)
    write(picture, note, left + width - 10, upper + 30, { colour: ink3, size: 14, align: 'right' });
  const bands = bandsOf(columns, info);
  if (bands.length > 0) drawBytes(picture, plan, columns, bands, left + width + 56, upper);
}

function drawAxes(picture: Picture, plan: MapPlan, left: number, upper: number): void {
  const bottom = upper + plan.rows * plan.cellHeight;
  const right = left + plan.columns * plan.cellWidth;
  fill(picture, left, bottom, right - left, 2, axis);
  for (const position of roundTicks(plan.tokens - 1, 8)) {
    const x = left + (Math.floor(position / plan.tokenBin) + 0.5) * plan.cellWidth;
    fill(picture, x - 1, bottom, 2, 8, axis);
    write(picture, counted(position), x, bottom + 30, { colour: ink2, size: 14, align: 'middle' });
  }
  const bins = [
    plan.tokenBin > 1 ? `${plan.tokenBin} tokens a column` : '',
    plan.stepBin > 1 ? `${plan.stepBin} steps a row` : '',
  ].filter(Boolean);
  const name = ['token position', ...bins].join(', ');
  write(picture, name, (left + right) / 2, bottom + 62, { colour: ink2, size: 14, align: 'middle' });
  const steps = roundTicks(plan.steps - 1, Math.max(1, Math.min(6, Math.floor((bottom - upper) / 60))));
  for (const step of steps.filter((tick) => tick > 0)) {
    const y = upper + (Math.floor(step / plan.stepBin) + 0.5) * plan.cellHeight;
    fill(picture, left - 8, y - 1, 8, 2, axis);
    const text = step === steps[1] ? `step ${counted(step)}` : counted(step);
    write(picture, text, left - 14, y + 7, { colour: ink2, size: 14, align: 'right' });
  }
}

/** Words above the tokens that most heads keep to the end, as many as fit without touching; special tokens have none. */
function drawWords(
  picture: Picture,
  plan: MapPlan,
  texts: readonly TokenText[],
  across: (position: number) => number,
  y: number,
): void {
  const words = texts
    .map(({ text, special, bytes }, position) => ({ text: text.trim(), named: !special && !bytes, position }))
    .filter(({ text, named }) => named && /^\p{L}{3,14}$/u.test(text) && canDraw(text))
    .map((word) => ({ ...word, weight: plan.atEnd[word.position]! / plan.heads + Math.min(8, word.text.length) / 20 }))
    .filter(({ position }) => plan.atEnd[position]! > 0)
    .sort((a, b) => b.weight - a.weight || a.position - b.position);
  const taken: [number, number][] = [];
  const said = new Set<string>();
  for (const { text, position } of words) {
    const middle = across(position + 0.5);
    const half = textWidth(text, 14) / 2;
    const [from, to] = [middle - half - 12, middle + half + 12];
    if (said.has(text) || from < across(0) - 12 || to > across(plan.tokens) + 12) continue;
    if (taken.some(([a, b]) => from < b && to > a)) continue;
    taken.push([from, to]);
    said.add(text);
    write(picture, text, middle, y - 14, { colour: ink, size: 14, align: 'middle' });
    fill(picture, middle - 1, y - 6, 2, 14, ink3);
  }
}

/** Bytes held on the step axis of the map, from left to right, with the full cache as a line and the budget dashed. */
function drawBytes(
  picture: Picture,
  plan: MapPlan,
  columns: Columns,
  bands: Band[],
  left: number,
  upper: number,
): void {
  const room = picture.width - 40 - left;
  const rows = rowsByStep(columns);
  const full = columns['bytes.full']?.data;
  const budget = columns['bytes.budget']?.data;
  const heldAt = (row: number) => bands.reduce((sum, band) => sum + band.bytes[row]!, 0);
  const most = rows.reduce((top, row) => Math.max(top, heldAt(row), full?.[row] ?? 0), 1);
  const [unit, size] = unitOf(most);
  const scale = room / most;
  const height = plan.rows * plan.cellHeight;
  for (const tick of roundTicks(most / size, 2)) {
    const x = left + tick * size * scale;
    fill(picture, x, upper, 2, height, rule);
    write(picture, String(tick), x, upper + height + 30, { colour: ink2, size: 14, align: 'middle' });
  }
  write(picture, `${unit} held`, left, upper - 18, { colour: ink, size: 14, bold: true });
  write(picture, 'full', left + room, upper - 18, { colour: ink2, size: 14, align: 'right' });
  for (let row = 0; row < plan.rows; row++) {
    const at = rows[Math.min(plan.steps - 1, row * plan.stepBin + plan.stepBin - 1)] ?? 0;
    const y = upper + row * plan.cellHeight;
    let from = left;
    for (const band of bands) {
      const to = from + band.bytes[at]! * scale;
      fillBand(picture, from, y, Math.round(to) - Math.round(from), plan.cellHeight, band);
      from = to;
    }
    if (full) fill(picture, left + full[at]! * scale - 3, y, 3, plan.cellHeight, ink);
  }
  const allowed = budget?.at(-1) ?? Number.NaN;
  if (allowed <= most) {
    fill(picture, left + allowed * scale - 3, upper, 6, height, paper);
    dashes(picture, [Math.round(left + allowed * scale) - 1, upper, height], 'down', [12, 8], ink);
  }
  const last = rows.at(-1) ?? 0;
  bands.forEach((band, i) => {
    const text = `${band.name} ${(band.bytes[last]! / size).toFixed(2)}`;
    nameBand(picture, left, upper + height + 66 + i * 28, band, text, ink2);
  });
}
