/** The TypeScript that makes a run again and shows the same panel at the same place. */
import type { RunChange, RunInfo, Selection } from 'kvlab/frame';
import { optionWords } from '../../store/changes.ts';

export interface CellRequest {
  info: RunInfo;
  /** Text of the prompt, special tokens spelled out. */
  prompt: string;
  panel?: string;
  selection?: Selection;
  /** Expression of another method than the run's. */
  method?: string;
  title?: string;
  /** Amounts that changed while the run went on. */
  changes?: readonly RunChange[];
  /** Lines that declare what `method` names. */
  before?: readonly string[];
}

/** Source of a cell. It declares what it needs, so that it runs in an empty notebook. */
export function cellOf({
  info,
  prompt,
  panel,
  selection = {},
  method,
  changes = [],
  title,
  before = [],
}: CellRequest): string {
  const call = method ?? info.method.call;
  const options = [
    ...(call ? [`method: ${call}`] : []),
    `maxTokens: ${info.maxTokens}`,
    ...(info.sampler && info.sampler !== '"greedy"' ? [`sampler: ${info.sampler}`] : []),
    `seed: ${info.seed}`,
    ...(changes.length
      ? [
          `changes: [${changes.map(({ step, options }) => `{ step: ${step}, options: { ${optionWords(options)} } }`).join(', ')}]`,
        ]
      : []),
    ...(title === undefined ? [] : [`title: ${JSON.stringify(title)}`]),
  ];
  const { run: _, ...place } = selection;
  const pointed = Object.entries({ panel, ...place }).filter(([, value]) => value !== undefined);
  return [
    `import { lab, ${before.length ? 'method, ' : ''}methods } from 'kvlab';`,
    '',
    '{',
    ...(call ? [] : [`  // The method ${info.method.name} was declared in another cell: name it here as \`method\`.`]),
    `  const model = await lab.load();`,
    `  const prompt = ${JSON.stringify(prompt)};`,
    ...before.map((line) => `  ${line}`),
    `  await lab.generate(model, prompt, { ${options.join(', ')} });`,
    ...(panel ? [`  lab.show(${JSON.stringify(panel)});`] : []),
    ...(pointed.length
      ? [`  lab.point({ ${pointed.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', ')} });`]
      : []),
    '}',
  ].join('\n');
}
