/** The table of methods and the free texts below the plots, as text nodes. */
import type { Theme } from '../../draw/theme.ts';
import { forcedHeads, laneFigures } from './describe.ts';
import type { CompareDrawing, CompareLane } from './encode.ts';
import { laneColour } from './marks.ts';

export interface Sorting {
  /** Index of a column, 0 is the name; undefined keeps the order of the call. */
  column: number | undefined;
  down: boolean;
}

const shapes = ['●', '■', '▲', '◆'];
const openShapes = ['○', '□', '△', '◇'];

const numbersOf = (lane: CompareLane): number[] => [
  lane.lane,
  lane.meanKl,
  lane.agreement,
  lane.perplexity,
  lane.bytesHeld,
  lane.ofFull,
];

/** Lanes in the order of a column; the full cache stays first. */
export function sorted(lanes: readonly CompareLane[], { column, down }: Sorting): CompareLane[] {
  const [full, ...methods] = lanes;
  if (column === undefined) return [...lanes];
  const key = (lane: CompareLane) => numbersOf(lane)[column]!;
  return [full!, ...methods.sort((a, b) => (down ? key(b) - key(a) : key(a) - key(b)))];
}

/** Fills the table; a click on a head sorts, a click on a row chooses its method. */
export function fillFigures(
  target: HTMLElement,
  theme: Theme,
  { lanes }: CompareDrawing,
  sorting: Sorting,
  focus: number | undefined,
  on: { sort(column: number): void; choose(lane: number): void },
): void {
  const key = JSON.stringify([lanes.map(numbersOf), sorting, focus, theme.name, theme.paper]);
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  ['Method', ...forcedHeads].forEach((name, column) => {
    const cell = document.createElement('th');
    cell.scope = 'col';
    const button = document.createElement('button');
    button.type = 'button';
    const here = sorting.column === column;
    button.textContent = here ? `${name} ${sorting.down ? '▾' : '▴'}` : name;
    cell.setAttribute('aria-sort', here ? (sorting.down ? 'descending' : 'ascending') : 'none');
    button.addEventListener('click', () => on.sort(column));
    cell.append(button);
    head.append(cell);
  });
  const body = table.createTBody();
  for (const lane of sorted(lanes, sorting)) {
    const row = body.insertRow();
    row.classList.toggle('kvlab-framed', lane.lane === focus);
    const name = row.insertCell();
    const button = document.createElement('button');
    button.type = 'button';
    button.append(markOf(theme, lane), document.createTextNode(lane.name));
    button.setAttribute('aria-pressed', String(lane.lane === focus));
    button.addEventListener('click', () => on.choose(lane.lane));
    name.append(button);
    for (const figure of laneFigures(lane, lane.lane === 0)) row.insertCell().textContent = figure;
  }
  // The button that was pressed is made anew: the keyboard stays where it was.
  const words = ({ textContent }: Element) => textContent?.replace(/ [▾▴]$/, '');
  const pressed = target.contains(document.activeElement) ? words(document.activeElement!) : undefined;
  target.replaceChildren(table);
  if (pressed !== undefined) [...target.querySelectorAll('button')].find((one) => words(one) === pressed)?.focus();
}

function markOf(theme: Theme, lane: CompareLane): HTMLElement {
  const mark = document.createElement('span');
  mark.className = 'kvlab-lane-mark';
  mark.setAttribute('aria-hidden', 'true');
  mark.textContent = lane.lane === 0 ? '▬' : ((lane.first ? shapes : openShapes)[lane.hue ?? -1] ?? '+');
  mark.style.color = laneColour(theme, lane);
  return mark;
}

/** Fills the free texts: what is still the full cache's is underlined. */
export function fillTexts(target: HTMLElement, theme: Theme, { lanes }: CompareDrawing, whole: boolean): void {
  const writing = lanes.filter(({ free, first }) => free && (whole || first));
  const key = JSON.stringify([writing.map(({ free }) => [free!.pieces.length, free!.divergesAt]), whole, theme.name]);
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  const heading = document.createElement('p');
  heading.className = 'kvlab-free-heading';
  const title = document.createElement('strong');
  title.textContent = 'Free texts';
  heading.append(title, ' same seed, each method continues by itself; underlined = still the full cache’s tokens');
  const rows = writing.map((lane) => {
    const row = document.createElement('div');
    row.className = 'kvlab-free-row';
    const name = document.createElement('span');
    name.className = 'kvlab-free-name';
    name.append(
      markOf(theme, lane),
      document.createTextNode(whole ? lane.name : lane.lane === 0 ? 'Full' : lane.method),
    );
    const text = document.createElement('span');
    text.className = 'kvlab-free-text';
    const { pieces, divergesAt = pieces.length } = lane.free!;
    const same = document.createElement('u');
    same.textContent = visible(pieces.slice(0, divergesAt));
    text.append(...(lane.lane === 0 ? [visible(pieces)] : [same, visible(pieces.slice(divergesAt))]));
    if (whole && lane.lane > 0) {
      const at = document.createElement('span');
      at.className = 'kvlab-free-at';
      at.textContent = lane.free!.divergesAt === undefined ? 'never leaves' : `leaves at token ${divergesAt + 1}`;
      name.append(at);
    }
    row.append(name, text);
    return row;
  });
  target.replaceChildren(heading, ...rows);
}

function visible(pieces: readonly string[]): string {
  return pieces.join('').replace(/\r?\n/g, ' ↵ ');
}
