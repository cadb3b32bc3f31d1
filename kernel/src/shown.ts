/** How the library's objects look as the value of a cell and on a console: a few lines of facts instead of their insides. */
import type { Evaluation } from './engine/evaluate/evaluate.ts';
import type { Model } from './engine/model/load.ts';
import type { Compared, Comparison } from './engine/run/compare.ts';
import type { Run } from './engine/run/run.ts';

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
const share = (part: number, of: number): string => `${Math.round((100 * part) / of)} %`;

/** Gives an object the words that Jupyter and Node show for it. */
export function shown<T extends object>(value: T, words: () => string): T {
  const hide = { enumerable: false, configurable: true };
  Object.defineProperty(value, Symbol.for('Jupyter.display'), { ...hide, value: () => ({ 'text/plain': words() }) });
  Object.defineProperty(value, Symbol.for('nodejs.util.inspect.custom'), { ...hide, value: words });
  return value;
}

export function modelWords({ name, config, runtime, bytes }: Model): string {
  const { layers, queryHeads, kvHeads, headSize, context, vocabulary } = config;
  return [
    `${name} on ${runtime.device} (${runtime.why})`,
    `${layers} layers, ${queryHeads} query heads, ${kvHeads} KV heads of ${headSize}, context ${context}, vocabulary ${vocabulary}`,
    `weights ${mib(bytes.weights)}; the full cache holds ${layers * kvHeads * headSize * 2 * 4} bytes for each token`,
  ].join('\n');
}

export function runWords(run: Run): string {
  const { held, claimed, full, peak } = run.bytes();
  return [
    `${run.method.name}${run.method.setting ? ` (${run.method.setting})` : ''}: ${run.promptIds.length} prompt tokens, ${run.ids.length} new, ended by ${run.ended}`,
    `held ${mib(held.total)}, ${share(held.total, full)} of the full cache's ${mib(full)}; peak ${mib(peak)}; claimed at 16 bits ${mib(claimed)}`,
  ].join('\n');
}

export function comparisonWords({ mode, results, ids, promptTokens, device, seed }: Comparison): string {
  const where = `after a prompt of ${promptTokens} (${device}, seed ${seed})`;
  const name = (r: Compared): string => r.method + (r.setting ? ` (${r.setting})` : '');
  const forced = [
    `forced on ${ids.length} tokens of the full cache ${where}; KL in nats`,
    ...aligned(
      ['method', 'mean KL', 'top-1', 'perplexity', 'held', 'claimed', 'ms/token'],
      results.map((r) => [
        name(r),
        r.meanKl.toFixed(3),
        `${Math.round(100 * r.agreement)} %`,
        r.perplexity.toFixed(2),
        mib(r.bytes.held.total),
        mib(r.bytes.claimed),
        r.stepMs.toFixed(1),
      ]),
    ),
  ];
  const free = [
    `free ${where}: what each writes by itself, and the first token that is not the full cache's`,
    ...aligned(
      ['method', 'diverges at', 'held', 'text'],
      results.map((r) => [
        name(r),
        r.free?.divergesAt === undefined ? 'never' : `token ${r.free.divergesAt + 1}`,
        mib(r.free?.bytes.held.total ?? 0),
        JSON.stringify(r.free?.text ?? '').slice(0, 72),
      ]),
    ),
  ];
  return [...(mode === 'free' ? [] : forced), ...(mode === 'forced' ? [] : free)].join('\n');
}

export function evaluationWords({ task, model, device, contextTokens, seeds, rows }: Evaluation): string {
  const about = `${task} on ${model} (${device}): contexts of ${Math.round(contextTokens)} tokens, ${seeds.length} ${seeds.length === 1 ? 'seed' : 'seeds'}; KL in nats`;
  return [
    about,
    ...aligned(
      ['method', 'question', 'right', 'tokens right', 'perplexity', 'KL', 'held', 'of full'],
      rows.map((r) => [
        r.method + (r.setting ? ` (${r.setting})` : ''),
        r.question === 'none' ? '–' : r.question,
        `${Math.round(100 * r.accuracy)} %`,
        `${Math.round(100 * r.tokensRight)} %`,
        r.perplexity.toFixed(2),
        r.kl.toFixed(3),
        mib(r.bytesHeld),
        `${Math.round(100 * r.ofFull)} %`,
      ]),
    ),
  ].join('\n');
}

/** Rows under a head in columns, numbers to the right, words at both ends to the left. */
function aligned(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const left = (i: number): boolean => i === 0 || head[i] === 'text';
  return [head, ...rows].map((cells) =>
    cells
      .map((c, i) => (left(i) ? c.padEnd(widths[i]!) : c.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}
