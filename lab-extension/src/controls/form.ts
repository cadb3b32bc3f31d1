/** The form of a method: fields made from its declaration, experiments on the prompt, and the cell that they come to. */
import type { FormField, MethodForm, RunChange } from 'kvlab/frame';
import { optionsNow } from '../store/changes.ts';
import type { Run } from '../store/run.ts';
import { type Store, selected, shownRun } from '../store/store.ts';
import { translate } from '../translate.ts';
import { type Experiment, experimentCell, fieldError } from './experiment.ts';
import { actNow, amountsAsked, createNowPart } from './now.ts';

export interface FormActions {
  /** Asks the kernel for its methods. */
  methods(): Promise<readonly MethodForm[]>;
  insertCell(source: string): void;
  /** Inserts a cell and runs it. */
  runCell(source: string): void;
  /** Gives the run that goes on other amounts. */
  change(options: RunChange['options']): void;
}

export interface MethodPanel {
  readonly node: HTMLElement;
  /** Opens or closes it. */
  toggle(): void;
  draw(): void;
}

export function createMethodPanel(store: Store, actions: FormActions, announce: (text: string) => void): MethodPanel {
  const node = document.createElement('section');
  node.className = 'kvlab-try';
  node.setAttribute('aria-label', translate('Try a method'));
  node.hidden = true;
  const make = <T extends keyof HTMLElementTagNameMap>(parent: HTMLElement, tag: T, name = '', text = '') => {
    const element = document.createElement(tag);
    if (name) element.className = `kvlab-${name}`;
    element.textContent = text;
    parent.append(element);
    return element;
  };
  const line = make(node, 'div', 'try-line');
  const methodLabel = make(line, 'label', '', `${translate('Method')} `);
  const chooser = make(methodLabel, 'select');
  const paper = make(line, 'a', 'paper');
  paper.target = '_blank';
  paper.rel = 'noopener noreferrer';
  const fields = make(node, 'div', 'try-fields');
  const now = createNowPart(actions.change, copyCell);
  node.append(now.node);
  const trials = make(node, 'div', 'try-line');
  const tokens = numberField(trials, translate('Tokens to write'), 1);
  const newline = checkbox(trials, translate('newline first'));
  const first = checkbox(trials, translate('no first token'));
  const whole = checkbox(trials, translate('the selected head keeps everything'));
  const departures = make(node, 'p', 'departures');
  const problem = make(node, 'p', 'problem');
  problem.setAttribute('role', 'alert');
  const code = make(node, 'pre', 'code');
  code.tabIndex = 0;
  code.setAttribute('aria-label', translate('The cell that does this'));
  const buttons = make(node, 'div', 'try-line');
  const run = make(buttons, 'button', 'primary', translate('Run'));
  const insert = make(buttons, 'button', '', translate('Insert cell'));
  const copy = make(buttons, 'button', '', translate('Copy as cell'));
  for (const button of [run, insert, copy]) button.type = 'button';
  run.title = translate('Inserts the cell below and runs it');

  let forms: readonly MethodForm[] = [];
  let inputs = new Map<string, HTMLInputElement | HTMLSelectElement>();
  let moments = new Map<string, HTMLElement>();
  let drawnRun: string | undefined;

  const valuesNow = () => Object.fromEntries([...inputs].map(([name, input]) => [name, fieldValue(input)]));
  const form = () => forms.find(({ call }) => call === chooser.value);

  function experiment(shown: Run): Experiment | undefined {
    const chosen = form();
    if (!chosen) return undefined;
    const { layer, kvHead } = selected(store);
    return {
      form: chosen,
      values: valuesNow(),
      maxTokens: Math.max(1, Math.round(Number(tokens.value) || shown.info.maxTokens)),
      newlineFirst: newline.checked,
      withoutFirst: first.checked,
      wholeHead: whole.checked && layer !== undefined && kvHead !== undefined ? { layer, kvHead } : undefined,
    };
  }

  function refresh(): void {
    const shown = shownRun(store);
    const chosen = form();
    const { layer, kvHead } = selected(store);
    const head = layer !== undefined && kvHead !== undefined;
    whole.disabled = !head;
    whole.parentElement!.lastChild!.textContent = head
      ? ` ${translate('head %1 keeps everything', `${layer}.${kvHead}`)}`
      : ` ${translate('a head keeps everything (select one first)')}`;
    const wrong = chosen?.fields.map((field) => fieldError(field, inputs.get(field.name)?.value)).find(Boolean) ?? '';
    problem.textContent = !shown
      ? translate('There is no run yet whose prompt could be used; run lab.generate first.')
      : wrong;
    problem.hidden = problem.textContent === '';
    const acting = shown && chosen && actNow(shown, chosen);
    for (const [name, moment] of moments) {
      moment.hidden = !acting;
      moment.textContent = translate(acting?.has(name) ? 'applies now' : 'applies to the next run');
    }
    now.draw(
      acting?.size ? shown : undefined,
      acting && chosen ? amountsAsked(shown, chosen, valuesNow()) : {},
      wrong !== '',
    );
    const known = shown && experiment(shown);
    const source = known && !wrong ? experimentCell(shown.info, shown.texts, known) : '';
    if (code.textContent !== source) code.textContent = source;
    for (const button of [run, insert, copy]) button.disabled = source === '';
  }

  function showForm(): void {
    const chosen = form();
    if (!chosen) return;
    const arxiv = /^arXiv:([\d.]+)/.exec(chosen.paper)?.[1];
    paper.hidden = chosen.paper === '';
    paper.textContent = chosen.paper;
    if (arxiv) paper.href = `https://arxiv.org/abs/${arxiv}`;
    else paper.removeAttribute('href');
    departures.textContent = chosen.departures.length
      ? translate('Departs from the paper: %1.', chosen.departures.join('; '))
      : '';
    departures.hidden = departures.textContent === '';
    const shown = shownRun(store);
    const given = shown?.info.method.name === chosen.name ? optionsNow(shown) : {};
    inputs = new Map();
    moments = new Map();
    fields.replaceChildren(
      ...chosen.fields.map((field) => {
        const { label, input, moment } = fieldInput(field, given[field.name]);
        inputs.set(field.name, input);
        moments.set(field.name, moment);
        return label;
      }),
    );
    refresh();
  }

  chooser.addEventListener('change', showForm);
  node.addEventListener('input', refresh);
  run.addEventListener('click', () => actions.runCell(code.textContent ?? ''));
  insert.addEventListener('click', () => actions.insertCell(code.textContent ?? ''));
  copy.addEventListener('click', () => copyCell(code.textContent ?? ''));
  function copyCell(source: string): void {
    navigator.clipboard.writeText(source).then(
      () => announce(translate('The cell is in the clipboard')),
      (error: unknown) => announce(translate('The clipboard refused: %1', String(error))),
    );
  }
  // Keys of the panels below mean nothing in a form.
  node.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') event.stopPropagation();
  });

  async function load(): Promise<void> {
    problem.textContent = translate('Asking the kernel for its methods.');
    problem.hidden = false;
    forms = await actions.methods();
    chooser.replaceChildren(...forms.map(({ call, name }) => new Option(name, call)));
    const name = shownRun(store)?.info.method.name;
    chooser.value = (forms.find((one) => one.name === name) ?? forms[0])?.call ?? '';
    showForm();
  }

  return {
    node,
    toggle() {
      node.hidden = !node.hidden;
      if (node.hidden) return;
      if (forms.length) showForm();
      else
        load().catch((error: unknown) => {
          problem.textContent = error instanceof Error ? error.message : String(error);
        });
      chooser.focus();
    },
    draw() {
      if (node.hidden) return;
      const id = store.shown;
      if (id !== drawnRun) {
        drawnRun = id;
        tokens.value = String(shownRun(store)?.info.maxTokens ?? '');
      }
      refresh();
    },
  };
}

function fieldValue(input: HTMLInputElement | HTMLSelectElement): string | number | boolean {
  if (input instanceof HTMLInputElement && input.type === 'checkbox') return input.checked;
  if (input instanceof HTMLInputElement && input.type === 'number')
    return input.value === '' ? '' : Number(input.value);
  return input.value;
}

/** One labelled field; its unit and range stand beside it. */
function fieldInput(
  { name, type, default: fallback, min, max, integer, unit, note, choices }: FormField,
  given: string | number | boolean | undefined,
): { label: HTMLElement; input: HTMLInputElement | HTMLSelectElement; moment: HTMLElement } {
  const label = document.createElement('label');
  label.className = 'kvlab-field';
  const title = document.createElement('span');
  title.textContent = name;
  label.append(title);
  const value = given ?? fallback;
  const input = document.createElement(type === 'choice' ? 'select' : 'input');
  if (input instanceof HTMLSelectElement) {
    for (const choice of choices ?? []) input.add(new Option(choice, choice));
    input.value = String(value ?? '');
  } else if (type === 'flag') {
    input.type = 'checkbox';
    input.checked = value === true;
  } else {
    input.type = type === 'number' ? 'number' : 'text';
    input.value = value === undefined ? '' : String(value);
    if (min !== undefined) input.min = String(min);
    if (max !== undefined) input.max = String(max);
    if (type === 'number') input.step = integer ? '1' : 'any';
  }
  const range =
    min !== undefined && max !== undefined
      ? translate('%1 to %2', min, max)
      : min !== undefined && min > 0
        ? translate('from %1', min)
        : '';
  const words = [unit && translate(unit), range].filter(Boolean).join(', ');
  const hint = document.createElement('small');
  hint.textContent = words;
  label.title = note ? translate(note) : words;
  const moment = document.createElement('small');
  moment.className = 'kvlab-moment';
  moment.hidden = true;
  label.append(input, hint, moment);
  return { label, input, moment };
}

function numberField(parent: HTMLElement, text: string, min: number): HTMLInputElement {
  const label = document.createElement('label');
  label.textContent = `${text} `;
  const input = document.createElement('input');
  input.type = 'number';
  input.min = String(min);
  label.append(input);
  parent.append(label);
  return input;
}

function checkbox(parent: HTMLElement, text: string): HTMLInputElement {
  const label = document.createElement('label');
  const input = document.createElement('input');
  input.type = 'checkbox';
  const words = document.createElement('span');
  words.textContent = ` ${text}`;
  label.append(input, words);
  parent.append(label);
  return input;
}
