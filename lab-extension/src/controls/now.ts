/** Amounts that are applied to the run that goes on: what the form says that differs from what is in force, and the cell that
 *  writes the run again with the same change. */
import type { MethodForm, RunChange } from 'kvlab/frame';
import { cellOf } from '../panels/export/cell.ts';
import { changesMade, changesOf, optionsNow, optionWords } from '../store/changes.ts';
import type { Run } from '../store/run.ts';
import { translate } from '../translate.ts';
import type { FieldValues } from './experiment.ts';

/** True for a run that is written now. */
export const goesOn = ({ info, state }: Run): boolean => !info.recorded && (state === 'running' || state === 'paused');

/** Names of the fields that act on the run at once; undefined where the form is of another method, or nothing is written. */
export function actNow(run: Run, form: MethodForm): ReadonlySet<string> | undefined {
  return goesOn(run) && run.info.method.name === form.name ? new Set(run.info.method.changeable) : undefined;
}

/** What the form asks of the run that it does not do yet. */
export function amountsAsked(run: Run, form: MethodForm, values: FieldValues): RunChange['options'] {
  const may = actNow(run, form);
  const now = optionsNow(run);
  return Object.fromEntries(
    form.fields.flatMap(({ name, default: usual }) => {
      const value = values[name];
      const differs = value !== undefined && value !== '' && value !== (now[name] ?? usual);
      return may?.has(name) && differs ? [[name, value]] : [];
    }),
  );
}

/** The run as it is, with the change from its next step on. */
export function changeCell(run: Run, options: RunChange['options']): string {
  const prompt = run.texts.slice(0, run.info.promptLength).map(({ text }) => text);
  return cellOf({
    info: run.info,
    prompt: prompt.join(''),
    changes: [...changesMade(run), { step: run.step + 1, options }],
  });
}

/** What became of the newest change, in words; empty where there was none. */
export function changeWords(run: Run): string {
  const newest = changesOf(run).at(-1);
  if (!newest) return '';
  const options = optionWords(newest.options);
  return newest.refused === undefined
    ? translate('From step %1: %2', newest.step, options)
    : translate('The run refused %1. %2', options, newest.refused);
}

export interface NowPart {
  readonly node: HTMLElement;
  draw(run: Run | undefined, asked: RunChange['options'], wrong: boolean): void;
}

/** The line of the form that acts on the run. */
export function createNowPart(change: (options: RunChange['options']) => void, copy: (cell: string) => void): NowPart {
  const node = document.createElement('div');
  node.className = 'kvlab-try-line kvlab-try-now';
  const button = (text: string, title: string) => {
    const one = document.createElement('button');
    one.type = 'button';
    one.textContent = translate(text);
    one.title = translate(title);
    node.append(one);
    return one;
  };
  const apply = button('Apply to the run', 'From the next token on; the log of the run keeps it');
  const copier = button('Copy the change as cell', 'The cell that writes this run again with the change at this step');
  const words = document.createElement('span');
  words.setAttribute('role', 'status');
  node.append(words);
  let shown: Run | undefined;
  let wanted: RunChange['options'] = {};
  apply.addEventListener('click', () => change(wanted));
  copier.addEventListener('click', () => shown && copy(changeCell(shown, wanted)));
  return {
    node,
    draw(run, asked, wrong) {
      shown = run;
      wanted = asked;
      node.hidden = !run;
      if (!run) return;
      const none = Object.keys(asked).length === 0;
      apply.disabled = copier.disabled = none || wrong;
      const said = changeWords(run);
      if (words.textContent !== said) words.textContent = said;
    },
  };
}
