/** Fits: calibrated on the model at hand, better than doing without, kept on disk, and stopped when asked to. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { echoHeads, type Fitted, gateRegression, hashedUniform, type Method, methods, tensor } from '@kvlab/ops';
import { fitsOf, fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import { sampleText } from '../../kernel/src/engine/fit/samples.ts';
import { loadModel, type Model } from '../../kernel/src/engine/model/load.ts';
import { divergence, logSumExp } from '../../kernel/src/engine/run/sampler.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { folderShelf, node } from '../../kernel/src/engine/runtime/node.ts';
import { seeded } from './seeded.ts';
import { loadTiny, tinyIds, tinyPath } from './tiny-model.ts';

const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;

describe('a fitted method loses less of a text that it was not fitted to than its stand-in', () => {
  let model: Model;
  let texts: { prompt: readonly number[]; answer: readonly number[]; full: Float32Array[] }[];
  before(async () => {
    model = await loadTiny('wasm');
    const ids = [
      ...[0, 64, 128].map((from) => tinyIds.slice(from, from + 100)),
      ...[1, 2, 3].map((seed) => story(seed)),
    ];
    texts = [];
    for (const all of ids) {
      const [prompt, answer] = [all.slice(0, 60), all.slice(60)];
      texts.push({ prompt, answer, full: (await forced(methods.full(), undefined, { prompt, answer })).rows });
    }
  });
  after(() => model.release());

  /** Sentences of the fixture's language with a pass-key that is asked for at the end. */
  function story(seed: number): number[] {
    const { whole } = seeded(seed);
    const pick = (list: readonly string[]) => list[whole(0, list.length - 1)]!;
    const line = () => `${pick(['Ada', 'Ben', 'Mia', 'Rex'])} carried the ${pick(['red', 'blue', 'grey'])} ${pick(['lamp', 'rope', 'drum'])} near the ${pick(['mill', 'river', 'tower'])}.`; // biome-ignore format: one line
    const key = Array.from({ length: 5 }, () => whole(0, 9)).join('');
    const lines = [line(), `The pass key is ${key}. Remember it.`, line(), line(), line(), line()];
    const text = `${lines.join(' ')} What is the pass key? The pass key is ${key}.`;
    return Array.from(model.tokenizer.encode(text).ids);
  }

  /** Logits after the prompt and after each token of the answer, and the entries that heads hold in the end. */
  async function forced(
    method: Method,
    fitted: Fitted | undefined,
    { prompt, answer }: Pick<(typeof texts)[0], 'prompt' | 'answer'>,
  ) {
    const sequence = createSequence(model, method, 0, fitted);
    const rows = [(await feedPrompt(sequence, prompt, { chunk: 64 })).slice()];
    for (const id of answer) rows.push((await feedToken(sequence, id)).slice());
    return { rows, held: mean(sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count))) };
  }

  /** Mean KL against the full cache. */
  async function lost(method: Method, fitted?: Fitted): Promise<{ kl: number; held: number }> {
    const own = fitted ?? (await fittedFor(model, method));
    const found = [];
    for (const text of texts) found.push({ text, ...(await forced(method, own, text)) });
    const kl = found.flatMap(({ text, rows }) =>
      rows.map((row, i) => divergence(text.full[i]!, logSumExp(text.full[i]!), row, logSumExp(row))),
    );
    return { kl: mean(kl), held: mean(found.map(({ held }) => held)) };
  }

  const withHeads = [methods.razorAttention({ sinks: 4, recent: 12, induction: 0.34 }), methods.duoAttention({ sinks: 4, recent: 12 })]; // biome-ignore format: one line
  for (const method of withHeads)
    test(`${method.name}: its retrieval heads lose half of what five random lists of as many lose, and less than most`, async () => {
      const name = `${fitsOf(method)[0]!.name}/retrieval`;
      const classes = (await fittedFor(model, method)).get(name)!;
      const count = classes.data.filter((v) => v === 1).length;
      assert.ok(count > 0 && count < classes.data.length);
      const own = await lost(method);
      const others: number[] = [];
      for (let seed = 1; seed <= 5; seed++) {
        const order = Array.from(classes.data, (_, i) => i).sort((a, b) => hashedUniform(seed, a, 0, 11) - hashedUniform(seed, b, 0, 11)); // biome-ignore format: one line
        const list = tensor(classes.dims, classes.data.map((_, i) => (order.indexOf(i) < count ? 1 : 0))); // biome-ignore format: one line
        others.push((await lost(method, new Map([[name, list]]))).kl);
      }
      assert.ok(own.kl < 0.5 * mean(others), `${own.kl} beside ${others}`);
      assert.ok(others.filter((kl) => kl < own.kl).length <= 2, `${own.kl} beside ${others}`);
    });

  test('Attention-Gate beats pure recency that holds as much', async () => {
    const own = await lost(methods.attentionGate({ keep: 0.3 }));
    const recency = await lost(methods.window({ entries: Math.ceil(own.held) }));
    assert.ok(own.kl < 0.7 * recency.kl, `${own.kl} beside ${recency.kl}`);
  });

  test('Locret beats the newest of each prompt, as many', async () => {
    const own = await lost(methods.locret({ keep: 0.5 }));
    const recency = await lost(methods.window({ keep: 0.5, when: ['chunk'] }));
    assert.equal(own.held, recency.held);
    assert.ok(own.kl < 0.8 * recency.kl, `${own.kl} beside ${recency.kl}`);
  });
});

describe('a fit runs once for a model and its settings', () => {
  let folder: string;
  const opened: Model[] = [];
  const open = async (): Promise<Model> => {
    const platform = { ...node, shelf: folderShelf(folder) };
    const model = await loadModel(tinyPath, { device: 'wasm', threads: 1, platform });
    opened.push(model);
    return model;
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kvlab-fits-'));
  });
  after(async () => {
    for (const model of opened) await model.release();
    await rm(folder, { recursive: true });
  });
  /** What a fit of the method gives, and how often it told its progress. */
  const fit = async (model: Model, method: Method) => {
    const shares: number[] = [];
    const fitted = await fittedFor(model, method, { onProgress: (_, share) => shares.push(share) });
    return { given: new Map(fitted), shares };
  };

  test('its progress rises to 1, and a second process finds what the first one found, bit for bit', async () => {
    const method = methods.attentionGate();
    const first = await fit(await open(), method);
    assert.ok(first.shares.length > 4 && first.shares.at(-1) === 1);
    assert.ok(first.shares.every((share, i) => share > 0 && share >= (first.shares[i - 1] ?? 0)));
    const second = await fit(await open(), method);
    assert.deepEqual(second.shares, []);
    assert.deepEqual([...second.given].map(([name, { dims, data }]) => [name, dims, [...data]]), [...first.given].map(([name, { dims, data }]) => [name, dims, [...data]])); // biome-ignore format: one line
  });

  test('another setting is another fit, and a file that is damaged is none', async () => {
    const model = await open();
    assert.ok((await fit(model, methods.attentionGate({ keep: 0.4 }))).shares.length > 0);
    const files = await readdir(folder);
    assert.equal(files.length, 2);
    for (const file of files) await writeFile(join(folder, file), 'half a fi');
    assert.ok((await fit(await open(), methods.attentionGate())).shares.length > 0);
  });

  test('it stops when it is interrupted, keeps nothing half done, and runs from the start the next time', async () => {
    const model = await open();
    const method = methods.locret();
    const stop = new AbortController();
    let told = 0;
    const stopped = fittedFor(model, method, {
      signal: stop.signal,
      onProgress: () => {
        if (++told === 2) stop.abort();
      },
    });
    await assert.rejects(stopped, { name: 'AbortError' });
    assert.ok(told < 6, `told ${told} times`);
    assert.ok((await fit(model, method)).shares.length > 4);
  });

  test('its texts follow from the seed, and are as long as it says', async () => {
    const model = await open();
    for (const samples of ['prose', 'passkey', 'repeated random'] as const) {
      const text = (seed: number, number = 0) => sampleText(model, { samples, tokens: 256, seed }, number).ids;
      assert.deepEqual(text(3), text(3));
      assert.notDeepEqual(text(3), text(4));
      assert.notDeepEqual(text(3), text(3, 1));
      assert.ok(text(3).length > 200 && text(3).length <= 256, `${samples}: ${text(3).length}`);
    }
    const lengths = [0, 1, 2, 3, 4].map((number) => sampleText(model, { samples: 'passkey', tokens: 512, seed: 0 }, number).ids.length); // biome-ignore format: one line
    assert.deepEqual(lengths, [512, 256, 128, 64, 512]);
    assert.notEqual(echoHeads({ seed: 1 }).name, echoHeads().name);
  });

  test('a fit without samples is refused before anything runs', async () => {
    const { declaration } = methods.attentionGate();
    const none = { ...declaration.score, fits: [gateRegression({ count: 0 })] };
    const method = { ...methods.attentionGate(), declaration: { ...declaration, score: none } };
    await assert.rejects(fittedFor(await open(), method), /fit gate-regression .*: it reads 0 samples; give at least one to learn from/); // biome-ignore format: one line
  });
});
