/** What a panel is: a section with a heading, a drawing, a caption in words, a table twin and designed empty states. */
import type { Selection } from 'kvlab/frame';
import type { Drawable } from '../draw/queue.ts';
import { readTheme, type Theme } from '../draw/theme.ts';
import {
  clearSelection,
  goLive,
  lockSelection,
  pinStep,
  previewSelection,
  type Store,
  shownRun,
  shownStep,
} from '../store/store.ts';
import type { Said } from './words.ts';
import { fillLegend, fillPhrases, fillTable, showMissing } from './words.ts';

/** What a panel may use of the page around it. */
export interface Surroundings {
  readonly store: Store;
  /** Inserts a cell below the active one; absent where there is no notebook. */
  insertCell?: (source: string) => void;
  /** Asks the kernel for the attention row of a head. */
  watch?: (layer: number, queryHead: number) => void;
  /** Draws all panels again. */
  redraw: () => void;
}

/** The drawing inside a panel. */
export interface Drawing {
  /** Draws the store as it is now and says what it shows. */
  draw(theme: Theme): Said;
  /** Moves the keyboard cursor; returns what is then pointed at. */
  step?(columns: number, rows: number): Selection | undefined;
  /** Switches in the title row. */
  controls?: HTMLElement;
  dispose?(): void;
}

export interface PanelKind {
  readonly id: string;
  readonly title: string;
  /** Least time between redraws that only bring newer data, in ms. */
  readonly restMs: number;
  mount(host: HTMLElement, surroundings: Surroundings): Drawing;
}

export interface Panel extends Drawable {
  readonly id: string;
  readonly node: HTMLElement;
  dispose(): void;
}

/** Builds a panel. `announce` puts a sentence into the live region of the page; `enlarge` gives it the whole page. */
export function createPanel(
  kind: PanelKind,
  surroundings: Surroundings,
  page: { announce(text: string): void; enlarge(id: string): void },
): Panel {
  const { store } = surroundings;
  const node = document.createElement('section');
  node.className = 'kvlab-panel';
  node.dataset.panel = kind.id;
  const titleId = `kvlab-${kind.id}-${Math.random().toString(36).slice(2, 8)}`;
  node.setAttribute('aria-labelledby', titleId);
  const part = <T extends keyof HTMLElementTagNameMap>(tag: T, name: string, parent: HTMLElement = node) => {
    const element = document.createElement(tag);
    element.className = `kvlab-${name}`;
    parent.append(element);
    return element;
  };
  const head = part('header', 'head');
  const title = part('h3', 'title', head);
  title.id = titleId;
  title.textContent = kind.title;
  const subtitle = part('span', 'subtitle', head);
  const legend = part('span', 'legend', head);
  const controls = part('span', 'controls', head);
  const tableButton = button(controls, 'Table', 'Show as table (t)');
  const enlargeButton = button(controls, 'Enlarge', 'Enlarge or shrink this panel');
  for (const quiet of [tableButton, enlargeButton]) quiet.classList.add('kvlab-quiet');
  const host = part('div', 'drawing');
  host.tabIndex = 0;
  host.setAttribute('role', 'img');
  const table = part('div', 'table');
  table.tabIndex = 0;
  table.hidden = true;
  const missing = part('div', 'missing');
  missing.hidden = true;
  const caption = part('p', 'caption');
  const drawing = kind.mount(host, surroundings);
  if (drawing.controls) controls.prepend(drawing.controls);

  let seen = false;
  let drawnVersion = -1;
  let drawnRun: string | undefined;

  const draw = () => {
    const start = performance.now();
    const run = shownRun(store);
    const said = drawing.draw(readTheme(node));
    drawnVersion = run?.version ?? -1;
    drawnRun = store.shown;
    subtitle.textContent = said.subtitle;
    fillLegend(legend, said.legend ?? [], node);
    fillPhrases(caption, said.caption);
    const text = said.caption.map((phrase) => phrase.text).join('');
    host.setAttribute('aria-label', text);
    showMissing(missing, said.missing, surroundings.insertCell);
    node.classList.toggle('kvlab-is-missing', said.missing !== undefined);
    if (!table.hidden) fillTable(table, said.table());
    node.dataset.step = run ? String(shownStep(store, run)) : '';
    node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
    for (const [name, value] of Object.entries(said.facts ?? {})) node.dataset[name] = String(value);
    if (host.matches(':focus')) page.announce(text);
    node.dataset.drawMs = (performance.now() - start).toFixed(1);
  };

  const toggleTable = () => {
    table.hidden = !table.hidden;
    host.hidden = !table.hidden;
    tableButton.setAttribute('aria-pressed', String(!table.hidden));
    (table.hidden ? host : table).focus();
    draw();
  };
  tableButton.addEventListener('click', toggleTable);
  enlargeButton.addEventListener('click', () => page.enlarge(kind.id));
  node.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLButtonElement) return;
    if (event.target === table && event.key !== 't' && event.key !== 'Escape') return;
    if (!pressed(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  function pressed(key: string): boolean {
    const run = shownRun(store);
    const arrows: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const move = arrows[key];
    if (move && drawing.step) {
      const selection = drawing.step(...move);
      if (selection) previewSelection(store, selection);
    } else if (key === 'Enter') lockSelection(store, store.preview);
    else if (key === 'Escape' && (Object.keys(store.locked).length || Object.keys(store.preview).length))
      clearSelection(store);
    else if (key === 't') toggleTable();
    else if (key === '[' && run) pinStep(store, shownStep(store, run) - 1);
    else if (key === ']' && run) pinStep(store, shownStep(store, run) + 1);
    else if (key === ' ' && run) store.clock.mode === 'live' ? pinStep(store, run.step) : goLive(store);
    else return false;
    return true;
  }

  const visibility = new IntersectionObserver((entries) => {
    seen = entries.at(-1)!.isIntersecting;
    if (seen) surroundings.redraw();
  });
  visibility.observe(node);
  const size = new ResizeObserver(() => {
    if (seen) surroundings.redraw();
  });
  size.observe(host);

  return {
    id: kind.id,
    node,
    restMs: kind.restMs,
    urgent: () => store.shown !== drawnRun || (shownRun(store)?.version ?? -1) === drawnVersion,
    visible: () => seen && node.offsetParent !== null,
    draw,
    late() {
      const run = shownRun(store);
      const behind = run && drawnRun === store.shown ? run.step - Number(node.dataset.step || 0) : 0;
      if (behind > 8 && store.clock.mode === 'live') subtitle.textContent = `${behind} steps behind`;
    },
    dispose() {
      visibility.disconnect();
      size.disconnect();
      drawing.dispose?.();
      node.remove();
    },
  };
}

/** Shows which choice of a switch is in force. */
export function markChoice(group: HTMLElement, value: string): void {
  for (const choice of group.querySelectorAll('button'))
    choice.setAttribute('aria-pressed', String(choice.value === value));
}

/** A switch of two or more named choices. */
export function segmented<T extends string>(
  label: string,
  choices: readonly { value: T; text: string }[],
  first: T,
  choose: (value: T) => void,
): HTMLElement {
  const group = document.createElement('span');
  group.className = 'kvlab-segmented';
  group.setAttribute('role', 'group');
  group.setAttribute('aria-label', label);
  for (const { value, text } of choices) {
    const choice = button(group, text, `${label}: ${text}`);
    choice.value = value;
    choice.addEventListener('click', () => {
      markChoice(group, value);
      choose(value);
    });
  }
  markChoice(group, first);
  return group;
}

function button(parent: HTMLElement, text: string, title: string): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = text;
  element.title = title;
  parent.append(element);
  return element;
}

/** Reports where the pointer is on a drawing, and clicks that are not drags. */
export function followPointer(
  host: HTMLElement,
  at: (x: number, y: number) => Selection | undefined,
  store: Store,
): void {
  const point = (event: PointerEvent) => {
    const box = host.getBoundingClientRect();
    return at(event.clientX - box.left, event.clientY - box.top);
  };
  let down: { x: number; y: number } | undefined;
  host.addEventListener('pointermove', (event) => {
    if (!down) previewSelection(store, point(event) ?? {});
  });
  host.addEventListener('pointerleave', () => previewSelection(store, {}));
  host.addEventListener('pointerdown', (event) => {
    down = { x: event.clientX, y: event.clientY };
    const up = (end: PointerEvent) => {
      const moved = Math.hypot(end.clientX - down!.x, end.clientY - down!.y);
      down = undefined;
      const selection = moved < 4 ? point(end) : undefined;
      if (selection) lockSelection(store, selection);
    };
    window.addEventListener('pointerup', up, { once: true });
  });
}
