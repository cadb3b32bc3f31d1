/** A finished run as lines of plain text and as the rows of a table: what terminals, readers and search find. */
import type { RunFacts } from './facts.ts';
import { binaryBytes, counted, percent } from './numbers.ts';

export interface Fact {
  name: string;
  value: string;
}

/** Facts in the order in which they are read: what ran, what it holds, what it lost, where attention went, how to repeat it. */
export function rowsOf(facts: RunFacts, leftOut: string): Fact[] {
  const { info, bytes, entries, evicted, sinks, quantization } = facts;
  const { model, method } = info;
  const rows: Fact[] = [
    {
      name: 'model',
      value: `${model.name}: ${model.layers} layers, ${model.queryHeads} query heads, ${model.kvHeads} KV heads of ${model.headSize}`,
    },
    { name: 'method', value: [method.name, method.paper].filter(Boolean).join(', ') },
    { name: 'setting', value: method.setting },
    {
      name: 'tokens',
      value: `${counted(facts.promptTokens)} of the prompt, ${counted(facts.writtenTokens)} written${stateOf(facts)}`,
    },
  ];
  const add = (name: string, value: string | undefined) => value && rows.push({ name, value });
  if (bytes) {
    const ofFull = (n: number) => (bytes.full > 0 ? `, ${percent(n / bytes.full)} of the full cache` : '');
    add(
      'bytes held',
      `${binaryBytes(bytes.held)}${ofFull(bytes.held)}${known(bytes.budget, (n) => `; payload ${binaryBytes(bytes.payload)} of a ${binaryBytes(n)} budget`)}`,
    );
    add(
      'bytes claimed',
      known(bytes.claimed, (n) => `${binaryBytes(n)} at 16 bits; held is ${(bytes.held / n).toFixed(2)} times as much`),
    );
    add(
      'full cache',
      known(bytes.full, (n) => `${binaryBytes(n)} for these tokens at this run's precision`),
    );
    add(
      'peak',
      known(bytes.peak, (n) => `${binaryBytes(n)}${ofFull(n)}`),
    );
  }
  if (entries)
    add(
      'evictions',
      evicted.entries === 0
        ? `none: all ${counted(entries.of)} entries are held`
        : `${counted(evicted.entries)} entries left; ${counted(entries.held)} of ${counted(entries.of)} held (${percent(entries.held / entries.of)}); ${counted(evicted.tokens, 'token')} in no head`,
    );
  if (sinks)
    add(
      'attention sinks',
      `${percent(sinks.share)} of heads give the first ${counted(info.sinkCount, 'token')} more than 0.30; mean ${sinks.mean.toFixed(2)}; strongest layer ${sinks.layer} head ${sinks.queryHead} with ${sinks.mass.toFixed(2)}`,
    );
  if (quantization) {
    const sides = [
      known(quantization.snrKeys, (n) => `keys ${n.toFixed(1)} dB`),
      known(quantization.snrValues, (n) => `values ${n.toFixed(1)} dB`),
    ].filter(Boolean);
    const output = known(
      quantization.output,
      (n) => `; in the mean of heads, the write that mattered most moved the attention output by ${percent(n)}`,
    );
    add('quantization', `signal to error: ${sides.join(', ') || 'nothing was quantized yet'}${output}`);
  }
  add('departures', method.departures.join('; '));
  add('seed', String(info.seed));
  add('device', info.device + known(facts.stepMs, (n) => `, ${n.toFixed(1)} ms a token (median)`));
  add('not recorded', info.leftOut);
  add('left out of the panels', leftOut);
  return rows;
}

/** The run as at most twenty lines of text. */
export function textOf(facts: RunFacts, leftOut: string): string {
  return linesOf(`kvlab run: ${oneLine(facts.info.title)}`, rowsOf(facts, leftOut));
}

/** A title and one line for each fact. */
export function linesOf(title: string, rows: readonly Fact[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const lines = rows.map(({ name, value }) => `${name.padEnd(width)}${oneLine(value)}`);
  return [title, ...lines].join('\n');
}

/** One sentence for the picture: its title to the eye, its description to a reader. */
export function sentenceOf(facts: RunFacts): string {
  const { bytes, entries, evicted, info } = facts;
  const tokens = counted(facts.promptTokens + facts.writtenTokens, 'token');
  const parts = [`${info.method.name} on ${tokens} of ${info.model.name}`];
  if (evicted.entries > 0 && entries) parts.push(`keeps ${percent(entries.held / entries.of)} of the entries`);
  if (bytes)
    parts.push(
      `holds ${binaryBytes(bytes.held)}${bytes.full > 0 ? `, ${percent(bytes.held / bytes.full)} of the full cache` : ''}`,
    );
  return `${parts[0]}${parts.length > 1 ? ` ${parts.slice(1).join(' and ')}` : ''}.`;
}

function stateOf({ state, message }: RunFacts): string {
  if (state === 'finished') return message ? ` (${message})` : '';
  return `; ${state}${message ? `: ${message}` : ''}`;
}

function known(value: number, say: (value: number) => string): string {
  return Number.isFinite(value) ? say(value) : '';
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** Characters of a prompt and of an answer that are quoted. */
const quoteLength = 240;

/** A long text without its middle. */
export function shortened(text: string): string {
  const letters = [...text];
  if (letters.length <= quoteLength) return text;
  const half = quoteLength / 2;
  return `${letters.slice(0, half).join('')} … ${letters.slice(-half).join('')}`;
}
