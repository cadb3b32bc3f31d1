/** The lab: header, panels on a grid, one queue of redraws, one store. Plain DOM, so that a tab, an output cell and a test page hold the same thing. */
import type { Depth, MethodForm, RunChange } from 'kvlab/frame';
import { createMethodPanel } from '../controls/form.ts';
import type { RunAction } from '../controls/run-buttons.ts';
import { setDepth } from '../depth.ts';
import { createDrawQueue } from '../draw/queue.ts';
import { attentionSinks } from '../panels/attention-sinks/panel.ts';
import { compare } from '../panels/compare/panel.ts';
import { evictionTimeline } from '../panels/eviction-timeline/panel.ts';
import { heavyHitters } from '../panels/heavy-hitters/panel.ts';
import { memoryGraph } from '../panels/memory-graph/panel.ts';
import { memoryOverTime } from '../panels/memory-over-time/panel.ts';
import { createPanel, type Panel, type PanelKind, type Surroundings } from '../panels/panel.ts';
import { quantizationError } from '../panels/quantization-error/panel.ts';
import { sparseReads } from '../panels/sparse-reads/panel.ts';
import { tokenStrip } from '../panels/token-strip/panel.ts';
import { leastRestMs, onPreferences, preferences } from '../preferences.ts';
import { clearSelection, goLive, type Store, shownRun, subscribe } from '../store/store.ts';
import { createHeader } from './header.ts';
import { createSpeaker } from './speaker.ts';

/** All panels, in reading order. */
export const panelKinds: readonly PanelKind[] = [
  tokenStrip,
  attentionSinks,
  evictionTimeline,
  memoryOverTime,
  heavyHitters,
  quantizationError,
  compare,
  sparseReads,
  memoryGraph,
];

export interface LabOptions {
  insertCell?: (source: string) => void;
  /** Inserts a cell and runs it. */
  runCell?: (source: string) => void;
  /** Asks the kernel for its methods. */
  methods?: () => Promise<readonly MethodForm[]>;
  control?: (action: RunAction) => void;
  /** Gives the shown run, which goes on, other amounts. */
  change?: (options: RunChange['options']) => void;
  openFile?: (path: string) => void;
  watch?: (layer: number, queryHead: number) => void;
  /** Called after each pass of drawing. */
  onDrawn?: () => void;
}

export interface Lab {
  readonly node: HTMLElement;
  /** Brings a panel into view; without a name the lab as a whole. */
  show(panel?: string): void;
  /** Gives one panel the whole page, or takes it back. */
  enlarge(panel: string | undefined): void;
  /** Id of the panel that has the whole page. */
  enlarged(): string | undefined;
  /** Opens the menu of a panel's exports; without a name of the panel that was used last. */
  openExport(panel?: string): void;
  depth(): Depth;
  /** Sets the depth of this lab alone; nothing takes it back to what the user has set for all. */
  setDepth(depth: Depth | undefined): void;
  redraw(): void;
  dispose(): void;
}

export function createLab(store: Store, options: LabOptions = {}): Lab {
  const node = document.createElement('div');
  node.className = 'kvlab-lab';
  node.setAttribute('role', 'region');
  node.setAttribute('aria-label', 'kvlab');
  let ownDepth: Depth | undefined;
  const { methods, insertCell, runCell, change = () => undefined } = options;
  const trying =
    methods && insertCell && runCell
      ? createMethodPanel(store, { methods, insertCell, runCell, change }, announce)
      : undefined;
  const header = createHeader(store, {
    control: options.control,
    tryMethod: trying?.toggle,
    openFile: options.openFile,
    setDepth: chooseDepth,
  });
  const grid = document.createElement('div');
  grid.className = 'kvlab-grid';
  const spoken = document.createElement('div');
  spoken.className = 'kvlab-spoken';
  spoken.setAttribute('aria-live', 'polite');
  node.append(header.node, ...(trying ? [trying.node] : []), grid, spoken);

  const speaker = createSpeaker(spoken);
  const queue = createDrawQueue(leastRestMs);
  const surroundings: Surroundings = { store, redraw, ...options };
  const panels: Panel[] = panelKinds.map((kind) =>
    createPanel(kind, surroundings, { announce, enlarge: toggleEnlarged }),
  );
  for (const panel of panels) grid.append(panel.node);

  let watched = '';
  let drawnVersion = '';
  let frames = 0;
  let headed = '';
  const heading = () => `${store.shown} ${shownRun(store)?.state} ${store.stale}`;
  const headerPart = {
    restMs: 100,
    urgent: () => heading() !== headed,
    visible: () => node.isConnected,
    late: () => undefined,
    draw() {
      headed = heading();
      header.draw();
      trying?.draw();
    },
  };
  queue.onPass(() => {
    const run = shownRun(store);
    const version = run ? `${store.shown} ${run.version}` : '';
    if (version !== drawnVersion && run) {
      drawnVersion = version;
      frames += 1;
      node.dataset.framesDrawn = String(frames);
      node.dataset.step = String(run.step);
      node.dataset.state = run.state;
      node.dataset.run = run.info.run;
    }
    options.onDrawn?.();
  });

  function redraw(): void {
    queue.request(headerPart);
    for (const panel of panels) queue.request(panel);
    const { layer, queryHead } = store.locked;
    const wanted = layer === undefined || queryHead === undefined ? '' : `${store.shown} ${layer} ${queryHead}`;
    if (wanted === watched) return;
    watched = wanted;
    if (wanted) options.watch?.(layer!, queryHead!);
  }

  function announce(text: string): void {
    speaker.say(text);
  }

  function enlarge(id: string | undefined): void {
    node.classList.toggle('kvlab-enlarged', id !== undefined);
    for (const panel of panels) panel.node.classList.toggle('kvlab-whole', panel.id === id);
    redraw();
  }
  function toggleEnlarged(id: string): void {
    enlarge(panels.find((panel) => panel.id === id)?.node.classList.contains('kvlab-whole') ? undefined : id);
  }

  node.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      if (node.classList.contains('kvlab-enlarged') && !Object.keys(store.locked).length) enlarge(undefined);
      clearSelection(store);
    }
    if (event.key === 'l' && event.target === node) goLive(store);
  });

  function chooseDepth(depth: Depth | undefined): void {
    ownDepth = depth;
    takePreferences();
  }
  function takePreferences(): void {
    const { colours, depth } = preferences();
    if (colours === 'jupyterlab') delete node.dataset.colours;
    else node.dataset.colours = colours;
    setDepth(node, ownDepth ?? depth);
    header.showDepth(ownDepth ?? depth);
    redraw();
  }
  let asked: { panel: Panel; until: number } | undefined;
  /** A lab that has just been opened still finds its size: until then the panel is brought into view again. */
  function bringIntoView(panel: Panel): void {
    asked = { panel, until: performance.now() + 1000 };
    panel.node.scrollIntoView({ block: 'nearest' });
  }
  const size = new ResizeObserver(() => {
    if (!asked || performance.now() > asked.until) return;
    node.scrollTop = 0;
    asked.panel.node.scrollIntoView({ block: 'nearest' });
  });
  size.observe(node);
  let lastUsed: Panel = panels[0]!;
  node.addEventListener('focusin', ({ target }) => {
    lastUsed = panels.find((panel) => panel.node.contains(target as Node)) ?? lastUsed;
  });

  const unsubscribe = subscribe(store, redraw);
  const unprefer = onPreferences(takePreferences);
  const theme = new MutationObserver(redraw);
  theme.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light'] });
  // A theme's colours arrive after its name, with a style sheet of the page; a load is heard on its way down only.
  const styled = ({ target }: Event) => {
    if (target instanceof HTMLLinkElement) redraw();
  };
  document.addEventListener('load', styled, true);
  // Colours that are set in another way change the ground of the lab, which says so by a transition.
  node.addEventListener('transitionend', (event) => {
    if (event.target === node) redraw();
  });
  header.draw();
  takePreferences();

  return {
    node,
    redraw,
    enlarge,
    enlarged: () => panels.find((panel) => panel.node.classList.contains('kvlab-whole'))?.id,
    openExport(id) {
      const panel = panels.find((p) => p.id === id) ?? lastUsed;
      bringIntoView(panel);
      panel.openExport();
    },
    depth: () => ownDepth ?? preferences().depth,
    setDepth: chooseDepth,
    show(id) {
      const panel = panels.find((p) => p.id === id);
      if (panel) bringIntoView(panel);
      redraw();
    },
    dispose() {
      unsubscribe();
      unprefer();
      theme.disconnect();
      document.removeEventListener('load', styled, true);
      size.disconnect();
      queue.dispose();
      speaker.dispose();
      for (const panel of panels) panel.dispose();
      node.remove();
    },
  };
}
