/** The header: which run, which method in its eight slots, which step, and whether it is live. */
import { type Depth, depths } from 'kvlab/frame';
import { createPlayer } from '../controls/play.ts';
import { createRunButtons, type RunAction } from '../controls/run-buttons.ts';
import { offerFrom } from '../depth.ts';
import { fixed } from '../draw/scale.ts';
import { type Run, tokensPerSecond } from '../store/run.ts';
import { goLive, holdRange, pinStep, type Store, shownRange, shownRun, shownStep, showRun } from '../store/store.ts';
import { translate } from '../translate.ts';

export interface Header {
  readonly node: HTMLElement;
  draw(): void;
  showDepth(depth: Depth): void;
}

/** What the header can ask of the page around it; what is absent has no button. */
export interface HeaderActions {
  control?: ((action: RunAction) => void) | undefined;
  /** Opens the form of methods. */
  tryMethod?: (() => void) | undefined;
  openFile?: ((path: string) => void) | undefined;
  setDepth?: ((depth: Depth) => void) | undefined;
}

const keepLine = new Set(['score', 'allocate', 'select', 'compensate']);

export function createHeader(store: Store, actions: HeaderActions = {}): Header {
  const node = document.createElement('header');
  node.className = 'kvlab-header';
  const part = <T extends keyof HTMLElementTagNameMap>(parent: HTMLElement, tag: T, name: string) => {
    const element = document.createElement(tag);
    element.className = `kvlab-${name}`;
    parent.append(element);
    return element;
  };
  const line = part(node, 'div', 'header-line');
  const title = part(line, 'h2', 'run-name');
  const chooser = part(line, 'select', 'run-chooser');
  chooser.setAttribute('aria-label', 'Run');
  const method = part(line, 'span', 'method');
  const tryButton = part(line, 'button', 'try-button');
  tryButton.type = 'button';
  tryButton.textContent = translate('Try…');
  tryButton.title = translate('Another method, other options, or another prompt: makes the cell that does it');
  tryButton.setAttribute('aria-label', translate('Try a method'));
  tryButton.addEventListener('click', () => actions.tryMethod?.());
  const machine = part(line, 'span', 'machine');
  const state = part(line, 'span', 'state');
  const buttons = createRunButtons(store, (action) => actions.control?.(action));
  line.append(buttons.node);
  const time = part(line, 'span', 'time');
  const player = createPlayer(store);
  time.append(player.node);
  const step = part(time, 'span', 'step');
  const from = part(time, 'input', 'scrubber');
  const scrubber = part(time, 'input', 'scrubber');
  for (const [input, name] of [
    [from, 'First step of the range'],
    [scrubber, 'Step'],
  ] as const) {
    input.type = 'range';
    input.min = '0';
    input.setAttribute('aria-label', name);
  }
  const modes = part(time, 'span', 'segmented');
  modes.setAttribute('role', 'group');
  modes.setAttribute('aria-label', 'Time');
  const live = part(modes, 'button', 'live');
  const pin = part(modes, 'button', 'pin');
  const range = part(modes, 'button', 'range');
  live.type = pin.type = range.type = 'button';
  live.textContent = translate('Live');
  pin.textContent = translate('Pin');
  range.textContent = translate('Range');
  offerFrom(range, 'teacher');
  offerFrom(tryButton, 'teacher');
  const depth = part(line, 'select', 'depth');
  depth.setAttribute('aria-label', translate('Depth'));
  depth.title = translate('How much is offered to press and choose');
  for (const choice of depths) depth.append(new Option(translate(choice), choice));
  depth.addEventListener('change', () => actions.setDepth?.(depth.value as Depth));
  const slots = part(node, 'ol', 'slots');
  slots.setAttribute('aria-label', 'Method in eight slots');

  chooser.addEventListener('change', () => showRun(store, chooser.value, true));
  scrubber.addEventListener('input', () => {
    const { clock } = store;
    if (clock.mode === 'range') holdRange(store, clock.from, Math.max(clock.from, Number(scrubber.value)));
    else pinStep(store, Number(scrubber.value));
  });
  from.addEventListener('input', () => {
    const { clock } = store;
    if (clock.mode === 'range') holdRange(store, Math.min(clock.to, Number(from.value)), clock.to);
  });
  range.addEventListener('click', () => {
    const run = shownRun(store);
    if (!run) return;
    const to = shownStep(store, run);
    holdRange(store, to - Math.max(1, Math.round(to / 4)), to);
  });
  live.addEventListener('click', () => goLive(store));
  pin.addEventListener('click', () => {
    const run = shownRun(store);
    if (run) pinStep(store, shownStep(store, run));
  });

  let runsKey = '';
  let slotsKey = '';
  return {
    node,
    showDepth(chosen) {
      depth.value = chosen;
    },
    draw() {
      const run = shownRun(store);
      buttons.draw();
      player.draw();
      buttons.node.hidden ||= !actions.control;
      tryButton.hidden = !run || !actions.tryMethod;
      const runs = [...store.runs.values()].filter(({ info }) => !info.comparison);
      const several = runs.length > 1;
      title.hidden = several;
      chooser.hidden = !several;
      title.textContent = run?.info.title ?? 'kvlab';
      const key = runs.map(({ info }) => info.run).join();
      if (key !== runsKey) {
        runsKey = key;
        chooser.replaceChildren(...runs.map(runOption).reverse());
      }
      if (store.shown !== undefined) chooser.value = store.shown;
      words(method, run ? [run.info.method.name, ` ${run.info.method.setting}`] : ['']);
      machine.textContent = run ? machineWords(run) : '';
      state.textContent = store.stale || (run ? stateWords(run, store.ended.has(run.info.run)) : '');
      state.title = state.textContent;
      state.hidden = state.textContent === '';
      state.classList.toggle('kvlab-failed', run?.state === 'failed');
      time.hidden = !run;
      if (run) {
        const shown = shownStep(store, run);
        const last = run.state === 'finished' ? run.step : run.info.maxTokens;
        const [first] = shownRange(store, run);
        const ranged = store.clock.mode === 'range';
        words(step, [ranged ? 'steps ' : 'step ', ranged ? `${first}–${shown}` : String(shown), ` of ${last}`], 1);
        for (const input of [from, scrubber]) input.max = String(last);
        from.hidden = !ranged;
        from.value = String(first);
        scrubber.value = String(shown);
        scrubber.setAttribute('aria-label', ranged ? 'Last step of the range' : 'Step');
        scrubber.style.setProperty('--kvlab-done', `${(100 * run.step) / Math.max(1, last)}%`);
      }
      live.setAttribute('aria-pressed', String(store.clock.mode === 'live'));
      pin.setAttribute('aria-pressed', String(store.clock.mode === 'pinned'));
      range.setAttribute('aria-pressed', String(store.clock.mode === 'range'));
      const drawn = JSON.stringify(run?.info.method.slots ?? []);
      if (drawn !== slotsKey) {
        slotsKey = drawn;
        slots.replaceChildren(...(run ? slotBoxes(run, actions.openFile) : []));
      }
      slots.hidden = !run;
    },
  };
}

function runOption(run: Run): HTMLOptionElement {
  const option = document.createElement('option');
  option.value = run.info.run;
  option.textContent = `${run.info.title} · ${run.info.method.name}`;
  return option;
}

/** Puts words into a line, one of them strong. */
function words(target: HTMLElement, parts: readonly string[], strong = 0): void {
  if (target.textContent === parts.join('')) return;
  target.replaceChildren(
    ...parts.map((text, i) => {
      const piece = document.createElement(i === strong ? 'strong' : 'span');
      piece.textContent = text;
      return piece;
    }),
  );
}

function machineWords(run: Run): string {
  const speed = tokensPerSecond(run);
  const words = [run.info.model.name, run.info.device];
  if (Number.isFinite(speed)) words.push(`${fixed(speed, 1)} tokens/s`);
  if (run.merged) words.push(`${run.merged} frames merged`);
  return words.join(' · ');
}

function stateWords(run: Run, ofEarlierKernel: boolean): string {
  const state =
    run.state === 'running' || run.state === 'finished' ? '' : [run.state, run.message].filter(Boolean).join(': ');
  const earlier = run.state === 'running' ? 'ended with its kernel' : 'of an earlier kernel';
  return [run.info.recorded ? 'recorded' : '', ofEarlierKernel ? earlier : '', state, run.info.leftOut]
    .filter(Boolean)
    .join(' · ');
}

function slotBoxes(run: Run, openFile: ((path: string) => void) | undefined): HTMLElement[] {
  return run.info.method.slots.map(({ slot, text, neutral, file }) => {
    const box = document.createElement('li');
    box.className = `kvlab-slot ${neutral ? 'kvlab-neutral' : 'kvlab-set'} ${keepLine.has(slot) ? 'kvlab-keep' : 'kvlab-read'}`;
    box.dataset.slot = slot;
    const name = document.createElement('span');
    name.textContent = slot;
    const what = document.createElement('b');
    what.textContent = text;
    box.append(name, what);
    box.title = [`${slot}: ${text}`, file].filter(Boolean).join('\n');
    if (file === undefined || !openFile) return box;
    const link = document.createElement('button');
    link.type = 'button';
    link.className = 'kvlab-slot-link';
    link.setAttribute('aria-label', `Open ${file}, the operator in the slot ${slot}`);
    link.addEventListener('click', () => openFile(file));
    box.append(link);
    return box;
  });
}
