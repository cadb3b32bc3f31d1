/** What each method costs and keeps on the real model: time beside the full cache in the same run, bytes, and what is lost. */
import { type Method, type MethodFactory, methods } from '@kvlab/ops';
import { lab } from '../../kernel/src/lab.ts';
import { printTable } from './report/table.ts';

const promptTokens = Number(process.argv.find((a) => /^\d+$/.test(a)) ?? 512);
const answerTokens = 48;
const keep = 0.25;

const model = await lab.load(undefined, { device: 'wasm' });
const people = ['Ines', 'Oskar', 'Mara', 'Tariq', 'Wen', 'Lotte'];
const things = ['a lamp', 'three crates', 'the old rope', 'a blue kettle', 'two maps', 'the church bell', 'an oar'];
const story = Array.from({ length: 400 }, (_, i) => `On day ${i + 1} ${people[(i * 7) % 6]} carried ${things[(i * 5) % 7]} past the house with number ${(i * 37) % 90}.`).join(' '); // biome-ignore format: one line
const ids = Array.from(model.tokenize(story)).slice(0, promptTokens);
const answer = Array.from(model.tokenize(story)).slice(promptTokens, promptTokens + answerTokens);

const list = Object.entries(methods).filter(([name]) => name !== 'full');
const make = (name: string, factory: MethodFactory<object>): Method =>
  name === 'kivi' ? factory() : factory({ keep: name === 'razorAttention' || name === 'duoAttention' ? 0.7 : keep });

const rows: (string | number)[][] = [];
for (const [name, factory] of list) {
  const method = make(name, factory as unknown as MethodFactory<object>);
  const { results } = await lab.compare(model, Uint32Array.from(ids), { methods: [method], answer });
  const [full, own] = [results[0]!, results[1]!];
  const mib = (bytes: number) => bytes / 2 ** 20;
  rows.push([name, own.setting || 'defaults', own.stepMs / full.stepMs, mib(own.bytes.held.total), mib(own.bytes.claimed), mib(full.bytes.held.total), own.meanKl, own.agreement, own.perplexity, full.perplexity]); // biome-ignore format: a row of the table
  console.error(`${name} done`);
}
console.log(
  `${promptTokens} tokens of prompt, ${answerTokens} forced tokens, ${model.name} on ${model.runtime.device}; KL in nats`,
);
printTable(
  [
    'method',
    'setting',
    'step time / full',
    'MiB held',
    'MiB claimed',
    'MiB full',
    'mean KL',
    'top-1',
    'perplexity',
    'full',
  ],
  rows,
);
await model.release();
process.exit(0);
