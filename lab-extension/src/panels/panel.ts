/** What a panel is: a section with a heading, a drawing, a caption in words, a table twin and designed empty states. */
import type { Selection } from 'kvlab/frame';
import { offerFrom } from '../depth.ts';
import type { Drawable } from '../draw/queue.ts';
import { readTheme, type Theme } from '../draw/theme.ts';
import { lockOrAdd, previewSelection, type Store, shownRun, shownStep } from '../store/store.ts';
import { translate } from '../translate.ts';
import { saidWhileAway } from './away.ts';
import { exportChoices } from './export/choices.ts';
import { createExportMenu } from './export/menu.ts';
import { type PanelKeys, pressKey } from './keys.ts';
import type { Said } from './words.ts';
import { fillLegend, fillPhrases, fillTable, saysFailed, showMissing } from './words.ts';

/** What a panel may use of the page around it. */
export interface Surroundings {
  readonly store: Store;
  /** Inserts a cell below the active one; absent where there is no notebook. */
  insertCell?: (source: string) => void;
  /** Opens a file of the repository; absent where there is no file browser. */
  openFile?: (path: string) => void;
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
  /** Keys of this panel alone. */
  keys?: PanelKeys;
  /** True where the drawing is text that a screen reader can read, and that takes the focus itself. */
  readable?: boolean;
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
  /** Opens the menu of the panel's exports, or closes it. */
  openExport(): void;
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
  title.textContent = translate(kind.title);
  const subtitle = part('span', 'subtitle', head);
  const legend = part('span', 'legend', head);
  const controls = part('span', 'controls', head);
  const quiet = part('span', 'quiet', controls);
  const tableButton = button(quiet, translate('Table'), translate('Show as table (t)'));
  const exportButton = button(quiet, translate('Export'), translate('Save this panel as picture, numbers or cell (e)'));
  const enlargeButton = button(quiet, translate('Enlarge'), translate('Enlarge or shrink this panel'));
  offerFrom(exportButton, 'teacher');
  const host = part('div', 'drawing');
  host.tabIndex = 0;
  const table = part('div', 'table');
  table.tabIndex = 0;
  table.setAttribute('role', 'region');
  table.setAttribute('aria-label', `${kind.title}, table`);
  table.hidden = true;
  const missing = part('div', 'missing');
  missing.hidden = true;
  const caption = part('p', 'caption');
  const drawing = kind.mount(host, surroundings);
  // Text is read as it stands; a picture is read as its caption.
  host.setAttribute('role', drawing.readable ? 'group' : 'img');
  if (drawing.readable) host.tabIndex = -1;
  host.setAttribute('aria-label', kind.title);
  host.setAttribute('aria-keyshortcuts', Object.keys(drawing.keys ?? {}).join(' '));
  if (drawing.controls) {
    offerFrom(drawing.controls, 'teacher');
    controls.prepend(drawing.controls);
  }

  let seen = false;
  let drawnVersion = -1;
  let drawnRun: string | undefined;
  let said: Said | undefined;

  const draw = () => {
    const start = performance.now();
    const run = shownRun(store);
    said = saidWhileAway(drawnOrWhyNot(), store);
    drawnVersion = run?.version ?? -1;
    drawnRun = store.shown;
    subtitle.textContent = said.subtitle;
    fillLegend(legend, said.legend ?? [], node);
    fillPhrases(caption, said.caption);
    const text = said.caption.map((phrase) => phrase.text).join('');
    host.setAttribute('aria-label', text || kind.title);
    showMissing(missing, said.missing, surroundings.insertCell);
    node.classList.toggle('kvlab-is-missing', said.missing !== undefined);
    if (!table.hidden) fillTable(table, said.table());
    node.dataset.step = run ? String(shownStep(store, run)) : '';
    node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
    for (const [name, value] of Object.entries(said.facts ?? {})) node.dataset[name] = String(value);
    if (host.contains(document.activeElement)) page.announce(text);
    node.dataset.drawMs = (performance.now() - start).toFixed(1);
  };

  /** One panel that fails must not stop the others: it says what was wrong, and tries again with the next frame. */
  function drawnOrWhyNot(): Said {
    try {
      node.classList.remove('kvlab-failed-panel');
      return drawing.draw(readTheme(node));
    } catch (error) {
      node.classList.add('kvlab-failed-panel');
      return saysFailed(kind.title, error instanceof Error ? error.message : String(error));
    }
  }

  const toggleTable = () => {
    table.hidden = !table.hidden;
    host.hidden = !table.hidden;
    tableButton.setAttribute('aria-pressed', String(!table.hidden));
    (table.hidden ? host : table).focus();
    draw();
  };
  const menu = createExportMenu(
    exportButton,
    exportChoices({ kind, node, surroundings, said: () => said, draw }),
    page.announce,
  );
  node.append(menu.node);
  const target = { step: drawing.step?.bind(drawing), keys: drawing.keys, toggleTable, openExport: menu.toggle };
  exportButton.addEventListener('click', menu.toggle);
  tableButton.addEventListener('click', toggleTable);
  enlargeButton.addEventListener('click', () => page.enlarge(kind.id));
  node.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || ownsKeys(event.target)) return;
    if (event.target === table && !['t', 'e', 'Escape'].includes(event.key)) return;
    if (!pressKey(store, target, event.key, event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
  });

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
    // A page that hides and shows itself within a frame, as JupyterLab does with a theme, never tells that it was away.
    visible: () => seen && (node.offsetParent !== null || undefined),
    draw,
    openExport: menu.toggle,
    late() {
      const run = shownRun(store);
      const behind = run && drawnRun === store.shown ? run.step - Number(node.dataset.step || 0) : 0;
      if (behind > 8 && store.clock.mode === 'live') subtitle.textContent = `${behind} steps behind`;
    },
    dispose() {
      visibility.disconnect();
      size.disconnect();
      menu.dispose();
      drawing.dispose?.();
      node.remove();
    },
  };
}

/** True where keys belong to a control of its own. */
function ownsKeys(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLButtonElement || target instanceof HTMLSelectElement || target instanceof HTMLInputElement
  );
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
  group.setAttribute('aria-label', translate(label));
  for (const { value, text } of choices) {
    const choice = button(group, translate(text), `${translate(label)}: ${translate(text)}`);
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
      if (selection) lockOrAdd(store, selection, end);
    };
    window.addEventListener('pointerup', up, { once: true });
  });
}
