/** Amounts of the method that were changed while a run went on, as its log tells them. */
import type { RunChange } from 'kvlab/frame';
import { type Check, either, finite, object, optional, table, text, yesOrNo } from './check.ts';
import type { Run } from './run.ts';

export type Options = Readonly<Record<string, number | string | boolean>>;

const line = text(2000);
const said: Check<Omit<RunChange, 'step'>> = object<Omit<RunChange, 'step'>>({
  options: table(/^\w{1,64}$/, either(either(finite, yesOrNo), line), 64),
  refused: optional(line),
});

/** All that was asked for, in the order of steps; what cannot be read is left out. */
export function changesOf(run: Pick<Run, 'log'>): RunChange[] {
  const [steps, letters] = [run.log.get('change.step'), run.log.get('change.said')];
  if (!steps || !letters) return [];
  const texts = new TextDecoder().decode(Uint8Array.from(letters.data.subarray(0, letters.rows))).split('\0');
  return Array.from(steps.data.subarray(0, steps.rows)).flatMap((step, i) => {
    try {
      return [{ step, ...said(JSON.parse(texts[i] ?? ''), 'change') }];
    } catch {
      return [];
    }
  });
}

/** Those that were made. */
export const changesMade = (run: Pick<Run, 'log'>): RunChange[] => changesOf(run).filter(({ refused }) => !refused);

/** The options as a cell writes them: `keep: 0.1, recent: 8`. */
export function optionWords(options: RunChange['options']): string {
  return Object.entries(options)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(', ');
}

const budgets = ['keep', 'entries', 'bytes'];

/** The options that the method works with after all changes; a budget takes the place of one of another kind. */
export function optionsNow(run: Pick<Run, 'info' | 'log'>): Options {
  let now: Record<string, number | string | boolean> = { ...run.info.method.options };
  for (const { options } of changesMade(run)) {
    if (budgets.some((name) => name in options))
      now = Object.fromEntries(Object.entries(now).filter(([name]) => !budgets.includes(name)));
    for (const [name, value] of Object.entries(options)) if (value !== undefined) now[name] = value;
  }
  return now;
}
