/** What a panel says: subtitle, caption, legend, table and empty states as data, and how they become text nodes. */
import { readTheme } from '../draw/theme.ts';
import type { Run } from '../store/run.ts';
import { translate } from '../translate.ts';
import type { DataColumns } from './data.ts';

/** A piece of a sentence; the finding's number is strong. */
export interface Phrase {
  text: string;
  strong?: true;
}

export interface Table {
  head: readonly string[];
  rows: readonly (readonly string[])[];
  /** Rows that exist; more than `rows` where only the first are shown. */
  total: number;
}

/** Why there is nothing to draw, and the cell that changes that. */
export interface Missing {
  title: string;
  text: string;
  cell?: { label: string; source: string };
}

export type LegendItem =
  | { kind: 'ramp'; label: string; low: string; high: string }
  | { kind: 'swatch'; label: string; colour: string }
  | { kind: 'hatch'; label: string }
  | { kind: 'line'; label: string; colour: string; dash?: true };

export interface Said {
  subtitle: string;
  caption: readonly Phrase[];
  /** Made only when the table is shown. */
  table: () => Table;
  /** All that the panel shows, for files; the table where this is missing. Made only when it is saved. */
  data?: () => DataColumns;
  legend?: readonly LegendItem[];
  missing?: Missing | undefined;
  /** Numbers that the drawing shows, for whoever reads the page by program. */
  facts?: Record<string, number | string>;
}

/** Most rows of a table twin. */
export const tableRows = 200;

export const noTable = (): Table => ({ head: [], rows: [], total: 0 });

/** A table of at most 200 rows. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): Table {
  return { head, rows: rows.slice(0, tableRows), total: rows.length };
}

/** What a panel says before the first run. */
export function saysNoRun(shows: string, cell: { label: string; source: string }): Said {
  return {
    subtitle: translate('no run'),
    caption: [{ text: translate('Waiting for lab.generate.') }],
    table: noTable,
    missing: { title: 'No run yet', text: shows, cell },
  };
}

/** What a panel says while the prompt is being read and there is nothing to draw yet. */
export function saysReading(run: Run, read: number): Said {
  return { subtitle: run.info.method.name, caption: readingWords(run, read), table: noTable };
}

/** How far the prompt has been read. */
export function readingWords(run: Run, read: number): Phrase[] {
  return [
    { text: translate('Step 0: reading the prompt, ') },
    { text: translate('%1 of %2', read, run.info.promptLength), strong: true },
    { text: translate(' tokens.') },
  ];
}

/** What a panel says when a run does not record the column that it draws. */
export function saysNotRecorded(subtitle: string, text: string): Said {
  return {
    subtitle,
    caption: [{ text: translate('Nothing to draw for this run.') }],
    table: noTable,
    missing: { title: 'Not recorded', text },
  };
}

/** What a panel says when its drawing failed: what was wrong, and what to do. */
export function saysFailed(title: string, message: string): Said {
  return {
    subtitle: translate('not drawn'),
    caption: [{ text: translate('%1 could not be drawn; the other panels are not touched.', translate(title)) }],
    table: noTable,
    missing: {
      title: '✕ Could not be drawn',
      text: `${message}. The data of this run may be damaged: run the cell again, or choose another run.`,
    },
  };
}

export function fillPhrases(target: HTMLElement, phrases: readonly Phrase[]): void {
  const key = JSON.stringify(phrases);
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  target.replaceChildren(
    ...phrases.map(({ text, strong }) => {
      const node = document.createElement(strong ? 'strong' : 'span');
      node.textContent = text;
      return node;
    }),
  );
}

export function fillLegend(target: HTMLElement, items: readonly LegendItem[], themed: HTMLElement): void {
  const theme = readTheme(themed);
  const key = JSON.stringify([items, theme.name, theme.paper]);
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  const piece = (name: string, text = '') => {
    const node = document.createElement('span');
    node.className = name;
    node.textContent = text;
    return node;
  };
  target.replaceChildren(
    ...items.map((item) => {
      const entry = piece('kvlab-legend-item');
      if (item.kind === 'ramp') {
        const bar = piece('kvlab-key-ramp');
        bar.style.backgroundImage = `linear-gradient(90deg, ${[0, 51, 102, 153, 204, 255].map((i) => theme.rampCss[i]).join(', ')})`;
        entry.append(piece('kvlab-key-label', translate(item.label)), piece('', item.low), bar, piece('', item.high));
      } else {
        const mark = piece(`kvlab-key-${item.kind}`);
        if (item.kind === 'swatch') mark.style.backgroundColor = item.colour;
        if (item.kind === 'line') mark.style.borderTop = `2px ${item.dash ? 'dashed' : 'solid'} ${item.colour}`;
        entry.append(mark, piece('', translate(item.label)));
      }
      return entry;
    }),
  );
}

export function fillTable(target: HTMLElement, { head, rows, total }: Table): void {
  const table = document.createElement('table');
  const line = (cells: readonly string[], tag: 'th' | 'td', parent: HTMLElement) => {
    const row = document.createElement('tr');
    for (const cell of cells) {
      const node = document.createElement(tag);
      if (tag === 'th') (node as HTMLTableCellElement).scope = 'col';
      node.textContent = cell;
      row.append(node);
    }
    parent.append(row);
  };
  line(head, 'th', table.createTHead());
  const body = table.createTBody();
  for (const row of rows) line(row, 'td', body);
  const note = document.createElement('p');
  note.textContent =
    total > rows.length ? translate('The first %1 of %2 rows.', rows.length, total) : translate('%1 rows.', total);
  target.replaceChildren(table, note);
}

export function showMissing(
  target: HTMLElement,
  missing: Missing | undefined,
  insertCell?: (source: string) => void,
): void {
  target.hidden = !missing;
  const key = JSON.stringify(missing ?? '');
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  target.replaceChildren();
  if (!missing) return;
  const title = document.createElement('strong');
  title.textContent = translate(missing.title);
  const text = document.createElement('span');
  text.textContent = missing.text;
  target.append(title, text);
  const { cell } = missing;
  if (cell && insertCell) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = translate(cell.label);
    button.addEventListener('click', () => insertCell(cell.source));
    target.append(button);
  }
}
