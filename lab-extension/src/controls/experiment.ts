/** What a reader wants to try on a run's prompt, and the TypeScript that does it. */
import type { FormField, MethodForm, RunInfo } from 'kvlab/frame';
import { cellOf } from '../panels/export/cell.ts';
import { translate } from '../translate.ts';

export type FieldValues = Readonly<Record<string, string | number | boolean>>;

export interface Experiment {
  form: MethodForm;
  values: FieldValues;
  maxTokens: number;
  /** A newline before the prompt: the first token is then another one. */
  newlineFirst: boolean;
  /** The prompt without its first token: no beginning-of-text for heads to rest on. */
  withoutFirst: boolean;
  /** A head that keeps everything, whatever the method does with the others. */
  wholeHead?: { layer: number; kvHead: number } | undefined;
}

/** What is wrong with a value of a field, in words; empty where it is fine. */
export function fieldError({ name, type, min, max, integer, choices }: FormField, value: unknown): string {
  if (value === undefined || value === '') return '';
  if (type === 'choice')
    return choices?.includes(String(value)) ? '' : translate('%1: give one of %2', name, choices?.join(', ') ?? '');
  if (type !== 'number') return '';
  const number = Number(value);
  if (!Number.isFinite(number)) return translate('%1: give a number', name);
  if (min !== undefined && number < min) return translate('%1: give at least %2', name, min);
  if (max !== undefined && number > max) return translate('%1: give at most %2', name, max);
  return integer && !Number.isInteger(number) ? translate('%1: give a whole number', name) : '';
}

/** The expression of a method with the options that differ from its defaults. */
export function methodCall({ call, fields }: MethodForm, values: FieldValues): string {
  const given = fields.flatMap((field) => {
    const value = values[field.name];
    if (value === undefined || value === '' || value === field.default) return [];
    return [`${field.name}: ${JSON.stringify(field.type === 'number' ? Number(value) : value)}`];
  });
  return `${call}(${given.length ? `{ ${given.join(', ')} }` : ''})`;
}

/** The cell that runs an experiment on the prompt of a run. */
export function experimentCell(info: RunInfo, texts: readonly { text: string }[], experiment: Experiment): string {
  const { form, values, maxTokens, newlineFirst, withoutFirst, wholeHead } = experiment;
  const words = texts.slice(withoutFirst ? 1 : 0, info.promptLength).map(({ text }) => text);
  const call = methodCall(form, values);
  const changes = [
    newlineFirst ? 'newline first' : '',
    withoutFirst ? 'first token left out' : '',
    wholeHead ? `${wholeHead.layer}.${wholeHead.kvHead} whole` : '',
  ].filter(Boolean);
  return cellOf({
    info: { ...info, maxTokens },
    prompt: `${newlineFirst ? '\n' : ''}${words.join('')}`,
    method: wholeHead ? 'sparing' : call,
    ...(wholeHead ? { before: sparing(call, form, wholeHead) } : {}),
    title: [info.title.replace(/ \(.*\)$/, ''), ...(changes.length ? [`(${changes.join(', ')})`] : [])].join(' '),
  });
}

/** Lines that declare a method in which one head has no limit. */
function sparing(
  call: string,
  { name, paper }: MethodForm,
  { layer, kvHead }: { layer: number; kvHead: number },
): string[] {
  return [
    `const base = ${call};`,
    'const { allocate } = base.declaration;',
    `const sparing = method(${JSON.stringify(`${name}, ${layer}.${kvHead} whole`)}, {}, () => ({`,
    '  ...base.declaration,',
    '  allocate: {',
    '    ...allocate,',
    '    neutral: false,',
    '    allocate: (request) => {',
    '      const entries = new Map([...allocate.allocate(request)].map(([zone, amounts]) => [zone, Float64Array.from(amounts)]));',
    `      for (const amounts of entries.values()) amounts[${layer} * request.kvHeads + ${kvHead}] = Infinity;`,
    '      return entries;',
    '    },',
    '  },',
    `}), { paper: ${JSON.stringify(paper)} })();`,
  ];
}
