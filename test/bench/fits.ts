/** What fits are worth: each fitted method on text that it was not fitted to, beside its stand-in without a fit.
 *
 *  Mean KL against the full cache over forced tokens. Levels stand beside a uniform grid, head lists beside five random ones of
 *  equal size, gates and retaining heads beside pure recency that holds as much. `npm run bench:fits -- kvQuant` (or `heads`,
 *  `gates`) measures these only. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fitted, hashedUniform, type Method, methods, tensor } from '@kvlab/ops';
import { fitsOf, fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import { divergence, logSumExp } from '../../kernel/src/engine/run/sampler.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { node } from '../../kernel/src/engine/runtime/node.ts';
import { modelFile } from '../../kernel/src/model-file.ts';
import { printTable } from './report/table.ts';

const [promptTokens, answerTokens] = [384, 24];
// Nothing is taken from the shelf, so that the time of each fit is the time that it takes.
const model = await loadModel(modelFile(), { device: 'wasm', platform: { ...node, shelf: undefined } });
const root = join(import.meta.dirname, '../..');
const texts = ['docs/architecture.md', 'CONTRIBUTING.md'].map((path) => {
  const ids = Array.from(model.tokenizer.encode(readFileSync(join(root, path), 'utf8')).ids);
  return { prompt: ids.slice(0, promptTokens), answer: ids.slice(promptTokens, promptTokens + answerTokens) };
});

async function forced(method: Method, fitted: Fitted | undefined, { prompt, answer }: (typeof texts)[number]) {
  const sequence = createSequence(model, method, 0, fitted);
  const rows = [(await feedPrompt(sequence, prompt)).slice()];
  for (const id of answer) rows.push((await feedToken(sequence, id)).slice());
  const counts = sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count));
  return { rows, held: counts.reduce((a, b) => a + b, 0) / counts.length };
}
const expected: Float32Array[][] = [];
for (const text of texts) expected.push((await forced(methods.full(), undefined, text)).rows);

async function loss(method: Method, fitted?: Fitted): Promise<{ kl: number; held: number }> {
  const all: number[] = [];
  let held = 0;
  for (const [i, text] of texts.entries()) {
    const found = await forced(method, fitted, text);
    held += found.held / texts.length;
    for (const [j, row] of found.rows.entries()) {
      const p = expected[i]![j]!;
      all.push(divergence(p, logSumExp(p), row, logSumExp(row)));
    }
  }
  return { kl: all.reduce((a, b) => a + b, 0) / all.length, held };
}

/** Levels of each layer [L, R], spread evenly from -1 to 1. */
function evenly({ dims, data }: { dims: readonly number[]; data: ArrayLike<number> }) {
  const R = dims[1]!;
  return tensor(
    dims,
    Array.from(data, (_, i) => -1 + (2 * (i % R)) / (R - 1)),
  );
}

/** A head list of the same size, in an order that follows from the seed. */
function randomHeads(like: { dims: readonly number[]; data: ArrayLike<number> }, seed: number) {
  const classes = Array.from(like.data);
  const order = classes.map((_, i) => i).sort((a, b) => hashedUniform(seed, a, 0, 11) - hashedUniform(seed, b, 0, 11));
  const chosen = new Set(order.slice(0, classes.filter((c) => c === 1).length));
  return tensor(like.dims, classes.map((_, i) => (chosen.has(i) ? 1 : 0))); // biome-ignore format: one line
}

const asked = process.argv.slice(2);
const wanted = (name: string) => asked.length === 0 || asked.includes(name);
const rows: (string | number)[][] = [];
for (const bits of wanted('kvQuant') ? [2, 3] : []) {
  const method = methods.kvQuant({ bits });
  const start = performance.now();
  const fitted = await fittedFor(model, method);
  const seconds = (performance.now() - start) / 1000;
  const even = new Map([...fitted].map(([name, value]) => [name, name.endsWith('/codebook') ? evenly(value) : value]));
  const [own, grid] = [await loss(method, fitted), await loss(method, even)];
  rows.push([`${method.name}, ${bits} bits`, seconds, own.held, own.kl, grid.kl, grid.kl]);
  console.error(rows.at(-1)!.join(' '));
}
for (const method of wanted('heads')
  ? [methods.razorAttention({ recent: 60 }), methods.duoAttention({ sinks: 4, recent: 60 })]
  : []) {
  // biome-ignore format: one line
  const start = performance.now();
  const fitted = await fittedFor(model, method);
  const seconds = (performance.now() - start) / 1000;
  const name = `${fitsOf(method)[0]!.name}/retrieval`;
  const own = await loss(method, fitted);
  const others: number[] = [];
  for (let seed = 1; seed <= 5; seed++)
    others.push((await loss(method, new Map([[name, randomHeads(fitted.get(name)!, seed)]]))).kl);
  rows.push([method.name, seconds, own.held, own.kl, others.reduce((a, b) => a + b, 0) / 5, Math.min(...others)]);
  console.error(rows.at(-1)!.join(' '));
}
for (const keep of wanted('gates') ? [0.5, 0.25] : [])
  for (const method of [methods.attentionGate({ keep }), methods.locret({ keep })]) {
    const start = performance.now();
    const fitted = await fittedFor(model, method);
    const seconds = (performance.now() - start) / 1000;
    const own = await loss(method, fitted);
    // A gate holds what it finds; Locret holds its budget of the prompt and what is written.
    const held = Math.ceil(own.held);
    const recency = await loss(method.name === 'Locret' ? methods.window({ keep, when: ['chunk'] }) : methods.window({ entries: held })); // biome-ignore format: one line
    rows.push([`${method.name}, keep ${keep}`, seconds, own.held, own.kl, recency.kl, recency.kl]);
    console.error(rows.at(-1)!.join(' '));
  }
console.log(
  `${promptTokens} tokens of prompt, ${answerTokens} forced tokens, ${texts.length} texts, ${model.name}; KL in nats`,
);
printTable(['method', 'fit s', 'entries held', 'KL fitted', 'KL stand-in', 'best stand-in'], rows);
await model.release();
process.exit(0);
