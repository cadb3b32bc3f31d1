/** Writes `ops/README.md` from the lists of operators and methods, and from the first comment of each of their files.
 *
 *  `node --conditions=kvlab-source test/check/ops-readme.ts` writes it; a test compares it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AnyDefinition, type MethodFactory, methods, operators, type Param, type When } from '@kvlab/ops';
import { imports, root } from './sources.ts';

export const readmePath = join(root, 'ops', 'README.md');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** The first paragraph of the comment that opens a file. */
export function ideaOf(text: string): string {
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? '';
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\*? ?/, '').trim());
  const end = lines.findIndex((line, i) => i > 0 && line === '');
  return (end < 0 ? lines : lines.slice(0, end)).join(' ').trim();
}

const paperLink = (paper: string) =>
  /^arXiv:/.test(paper) ? `[${paper}](https://arxiv.org/abs/${paper.slice(6)})` : paper || 'none: a baseline';
function value(v: unknown): string {
  if (Array.isArray(v)) return `[${v.map(value).join(', ')}]`;
  return typeof v === 'object' && v !== null ? settings(v) : String(v);
}
const settings = (of: object): string =>
  Object.entries(of)
    .map(([name, v]) => `${name} ${value(v)}`)
    .join(', ');

function range(param: Param): string {
  if (param.type === 'choice') return param.choices.join(', ');
  if (param.type === 'flag') return 'true, false';
  const unit = param.unit ? ` ${param.unit}` : '';
  if (param.min === -Infinity && param.max === Infinity) return `any number${unit && ` of${unit}`}`;
  return `${param.max === Infinity ? `${param.min} or more` : `${param.min} to ${param.max}`}${unit}`;
}

function operatorText(name: string, definition: AnyDefinition): string {
  const { kind, scope, paper, departures, params, inputs, state, outputs, graph } = definition;
  const path = `${kind}/${definition.name}.ts`;
  const shapes = (specs: typeof inputs) =>
    Object.entries(specs)
      .map(([tensor, { dims }]) => `${tensor} [${dims.join(', ')}]`)
      .join(', ');
  const lines = [
    `### [${name}](${path})`,
    ideaOf(read(`ops/${path}`)),
    '',
    `- ${kind}, sees one ${scope}; ${graph ? 'ONNX graph and float64 reference' : 'host operator: float64 loops'}`,
    `- ${shapes(inputs)}${state ? `; state ${shapes(state)}` : ''} → ${shapes(outputs)}`,
    ...(paper ? [`- paper: ${paperLink(paper)}`] : []),
    ...(departures ?? []).map((departure) => `- departs: ${departure}`),
    ...Object.entries(params).map(([param, p]) => `- \`${param}\` ${value(p.default)} (${range(p)}): ${p.note}`),
  ];
  return lines.join('\n');
}

function methodText(name: string, path: string, factory: MethodFactory<object>): string {
  const { methodName, about, defaults } = factory;
  const { slots, when, declaration } = factory();
  const { passes, segment, phases = [] } = declaration;
  const loud = slots.filter(({ neutral }) => !neutral).map(({ slot, text }) => `${slot}: ${text}`);
  const moment = (w: When) => (typeof w === 'string' ? w : `every ${w.every} steps`);
  const moments = [...when.map(moment), ...phases.flatMap((phase) => [phase.when ?? []].flat().map(moment))];
  const options = Object.entries(defaults).map(([option, v]) => `\`${option}\` ${value(v)}`);
  const lines = [
    `### [${methodName}](${path}): \`methods.${name}(…)\``,
    ideaOf(read(`ops/${path}`)),
    '',
    ...(passes && !passes.neutral ? [`- passes: ${passes.title}`] : []),
    ...(segment ? [`- segment: ${segment.title}`] : []),
    ...loud.map((text) => `- ${text}`),
    ...(moments.length ? [`- when: ${moments.join(', ')}`] : []),
    `- options: ${options.join(', ') || 'none'}`,
    ...Object.entries((about.profiles ?? {}) as Record<string, object>).map(
      ([profile, of]) => `- profile ${profile}: ${settings(of)}`,
    ),
    `- paper: ${paperLink(about.paper)}`,
    ...(about.checked ? [`- checked against: ${about.checked}`] : []),
    ...(about.departures ?? []).map((departure) => `- departs: ${departure}`),
  ];
  return lines.join('\n');
}

/** The file of each method by the method's name. */
function methodFiles(): Map<string, string> {
  const text = read('ops/catalogue.ts');
  const files = imports({ path: 'ops/catalogue.ts', text }).filter((path) => path.startsWith('ops/methods/'));
  return new Map(
    files.flatMap((path) => {
      const name = /= method\(\s*'([^']+)'/.exec(read(path))?.[1];
      return name ? [[name, path.replace(/^ops\//, '')] as const] : [];
    }),
  );
}

/** The whole text. */
export function opsReadme(): string {
  const files = methodFiles();
  const methodTexts = Object.entries(methods as unknown as Record<string, MethodFactory<object>>).map(
    ([name, factory]) => methodText(name, files.get(factory.methodName) ?? '', factory),
  );
  const operatorTexts = Object.entries(operators).map(([name, { definition }]) =>
    operatorText(name, definition as unknown as AnyDefinition),
  );
  return `${[
    '<!-- Made by test/check/ops-readme.ts from the lists in ops/catalogue.ts. Change those, then run it again. -->',
    '# Methods and operators',
    `A method fills eight slots with operators. There are ${methodTexts.length} methods and ${operatorTexts.length} operators. ` +
      'Slots that a method leaves neutral are not listed. Every selection method also takes a total budget: `keep` (share of ' +
      'the prompt), `entries` (for each head) or `bytes` (for the whole cache). Where the paper, its ' +
      "authors' code and kvpress differ, the option `profile` takes the settings of one of them; the paper's are the default.",
    '## Methods',
    ...methodTexts,
    '## Operators',
    'Letters: L layers, Hq query heads, Hkv key heads, Q new queries, T entries, D head size, N segments, X hidden size.',
    ...operatorTexts,
  ].join('\n\n')}\n`;
}

if (import.meta.filename === process.argv[1]) writeFileSync(readmePath, opsReadme());
