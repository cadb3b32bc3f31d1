/** How the library's objects look as the value of a cell and on a console: a few lines of facts instead of their insides. */
import type { Model } from './engine/model/load.ts';
import type { Comparison } from './engine/run/compare.ts';
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

export function comparisonWords({ results, ids, promptTokens, device, seed }: Comparison): string {
  const rows = results.map((r) => [
    r.method + (r.setting ? ` (${r.setting})` : ''),
    r.meanKl.toFixed(3),
    `${Math.round(100 * r.agreement)} %`,
    r.perplexity.toFixed(2),
    mib(r.bytes.held.total),
    mib(r.bytes.claimed),
    r.stepMs.toFixed(1),
  ]);
  const head = ['method', 'mean KL', 'top-1', 'perplexity', 'held', 'claimed', 'ms/token'];
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((c, i) => (i ? c.padStart(widths[i]!) : c.padEnd(widths[i]!))).join('  ');
  return [
    `forced on ${ids.length} tokens of the full cache after a prompt of ${promptTokens} (${device}, seed ${seed}); KL in nats`,
    line(head),
    ...rows.map(line),
  ].join('\n');
}
