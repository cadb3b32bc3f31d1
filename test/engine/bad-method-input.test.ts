/** Bad input to methods: an error before anything runs, or the result that is written down, never a silent selection. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { accumulatedAttention, type Bound, exact, f32, type LabModel, lab, last, type Method, type MethodFactory, method, methods, operator, type Params, rows, tensor, top, uniform, zones } from 'kvlab'; // biome-ignore format: one line
import { fitsOf } from '../../kernel/src/engine/fit/fitted.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { randomLayer, upTo } from '../methods/by-hand.ts';
import { tinyIds, tinyPath } from './tiny-model.ts';

type Given = Record<string, unknown>;
const make = (name: keyof typeof methods, given: Given): Method => (methods[name] as unknown as MethodFactory<object>)(given); // biome-ignore format: one line

/** Options that cannot be meant, and what is said about them. */
const refused: readonly [keyof typeof methods, Given, RegExp][] = [
  ['h2o', { heavy: Number.NaN }, /H2O: heavy is NaN; give a number from 0 on/],
  ['h2o', { recent: -1 }, /H2O: recent is -1; give a number from 0 on/],
  ['h2o', { heavy: '0.1' }, /H2O: heavy is "0.1"; give a number/],
  ['h2o', { when: 'never' }, /H2O: when is "never"; give some of prompt, chunk, step/],
  ['h2o', { when: { every: 0 } }, /H2O: when is \{"every":0\}; give some of/],
  ['streamingLLM', { sinks: 2.5 }, /StreamingLLM: sinks is 2.5; give a whole number/],
  ['streamingLLM', { positions: 'nearby' }, /attend: positions is "nearby"; give one of contiguous, absolute/],
  ['snapKV', { pool: 'median' }, /score window-attention: pool is "median"; give one of max, mean, none/],
  ['snapKV', { window: 0 }, /score window-attention: window is 0; give a number from 1/],
  ['snapKV', { kernel: -3 }, /SnapKV: kernel is -3; give a number from 0 on/],
  ['pyramidKV', { steepness: 0 }, /pyramid: steepness is 0; give 1 \(no fall\) or more/],
  ['adaKV', { floor: 2 }, /across-heads: floor is 2; give a share from 0 to 1/],
  ['chunkKV', { chunk: 0 }, /top-chunks: length is 0; give a whole number of entries from 1/],
  ['keyformer', { temperature: 5 }, /Keyformer: temperature is 5; give a list of numbers/],
  ['keyformer', { temperature: [0, 2] }, /score noisy-attention: start is 0; give a number from 0.01/],
  ['scissorhands', { history: 0 }, /score below-average-count: history is 0; give a number from 2/],
  ['sirLLM', { decay: 2 }, /score surprisal: decay is 2; give a number from 0.01 to 1/],
  ['lagKV', { lag: 0 }, /score lag-relative: lag is 0; give a number from 2/],
  ['leverageScore', { rank: 0 }, /score leverage: rank is 0; give a number from 1/],
  ['expectedAttention', { queries: 0 }, /score expected-attention: queries is 0; give a number from 1/],
  ['gemFilter', { layer: 1.5 }, /GemFilter: layer is 1.5; give a whole number/],
  ['gemFilter', { tokens: 0 }, /filter-prompt: tokens is 0; give how many stay, or a share of the prompt/],
  ['specKV', { draft: -1 }, /SpecKV: draft is -1; give a number from 0 on/],
  ['razorAttention', { induction: 3 }, /fit echo-heads: induction is 3; give a share of the heads, 0 to 1/],
  ['duoAttention', { retrieval: 2 }, /fit passkey-heads: share is 2; give a share of the heads, 0 to 1/],
  ['attentionGate', { share: 0 }, /fit gate-regression: keep is 0; give a share of the tokens above 0 and up to 1/],
  ['attentionGate', { entries: 5 }, /Attention-Gate, .*: it evicts nothing, so entries sets no budget; leave it out/],
  ['locret', { stabilizers: 2 }, /allocate: 2 is no share of a budget; give 0 to 1/],
  ['criticPorag', { ratio: 1.2 }, /by-pressure: ratio is 1.2; give the share that goes, below 1/],
  ['criticPorag', { weights: { attention: Number.NaN } }, /CRITIC \(PORAG\): weights.attention is NaN; give a number/],
  ['criticPorag', { weights: { attension: 1 } }, /weights has no attension; it has attention, entropy, gradient/],
  ['timTree', { keep: 0.5 }, /TIM tree: it evicts nothing, so keep sets no budget; leave it out/],
  ['timTree', { again: 'yes' }, /TIM tree: again is "yes"; give true or false/],
];

describe('options that cannot be meant are refused when the method is made', () => {
  for (const [name, given, words] of refused)
    test(`${name}: ${Object.entries(given).map(([o, v]) => `${o} ${typeof v === 'number' ? v : JSON.stringify(v)}`)}`, () => {
      assert.throws(() => make(name, given), words);
    });

  test('no number of any method may be NaN or below zero', () => {
    for (const [name, factory] of Object.entries(methods))
      for (const [option, value] of Object.entries(factory.defaults))
        for (const odd of typeof value === 'number' ? [Number.NaN, -1] : [])
          assert.throws(() => make(name as keyof typeof methods, { [option]: odd }), new RegExp(`${option} is (NaN|-1)`), `${name} ${option}`); // biome-ignore format: one line
  });
});

describe('tensors that do not fit are refused by lab.apply', () => {
  const layer = randomLayer({ tokens: 12, size: 4 });
  const square = (T: number) => upTo(6).map(() => upTo(T).map((q) => upTo(T).map((t) => (t <= q ? 1 / (q + 1) : 0))));
  const table: readonly [string, Method, Given, RegExp][] = [
    ['keys of another length', methods.h2o(), { keys: layer.keys.map((rows) => rows.slice(1)) }, /apply: keys are \[3, 11, 4\] and values \[3, 12, 4\]; both are \[Hkv, T, D\]/], // biome-ignore format: one case
    ['a NaN among the values', methods.h2o(), { values: layer.values.map((rows, h) => (h === 1 ? [[Number.NaN, 0, 0, 0], ...rows.slice(1)] : rows)) }, /apply: values is not a number at \[1, 0, 0\]; give finite numbers/], // biome-ignore format: one case
    ['attention of another text', methods.h2o(), { attention: square(9) }, /apply: attention is \[6, 9, 9\] beside keys \[3, 12, 4\]; give \[6, Q, 12\] of the last Q queries/], // biome-ignore format: one case
    ['no hidden states for a gate', methods.attentionGate(), {}, /trained-gate: gate-regression .* has not been fitted|needs hidden/], // biome-ignore format: one case
    ['ragged lists', methods.h2o(), { queries: [[[1, 2, 3, 4], [1]]] }, /apply: queries is no tensor/],
    [
      'positions that are too few',
      methods.h2o(),
      { positions: [1, 2] },
      /there are 2 positions for 12 tokens; give one for each/,
    ],
  ];
  for (const [words, own, given, expected] of table)
    test(words, async () => {
      await assert.rejects(lab.apply(own, { ...layer, ...given } as never), expected);
    });
});

describe('in a run', () => {
  let model: LabModel;
  before(async () => {
    model = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  });
  after(() => model.release());
  const prompt = tinyIds.slice(0, 20);
  const counts = (sequence: ReturnType<typeof createSequence>) => new Set(sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count))); // biome-ignore format: one line

  test('more sinks than entries: a budget is refused with both figures, room without a budget keeps all', async () => {
    const tight = createSequence(model, methods.streamingLLM({ sinks: 30, entries: 12 }));
    await assert.rejects(feedPrompt(tight, prompt), /StreamingLLM: .*the budget is 12 entries a head, but 30 are spoken for \(sinks.*; raise the budget/); // biome-ignore format: one line
    assert.equal(tight.ids.length, 0);
    const roomy = createSequence(model, methods.streamingLLM({ sinks: 30, recent: 4 }));
    await feedPrompt(roomy, prompt);
    assert.deepEqual(counts(roomy), new Set([20]));
  });

  test('a prompt shorter than the observation window: all of it stays, or the budget is refused', async () => {
    for (const own of [
      methods.snapKV({ entries: 64, window: 32 }),
      methods.adaKV({ entries: 64, window: 32 }),
      methods.chunkKV({ entries: 64, window: 32 }),
      methods.pyramidKV({ entries: 64, window: 32 }),
    ]) {
      // biome-ignore format: one line
      const sequence = createSequence(model, own);
      await feedPrompt(sequence, prompt.slice(0, 5));
      assert.deepEqual(counts(sequence), new Set([5]), own.name);
    }
    const tight = createSequence(model, methods.snapKV({ keep: 0.5, window: 32 }));
    await assert.rejects(feedPrompt(tight, prompt.slice(0, 5)), /SnapKV: .*budget is .* entries a head, but 32/);
    assert.equal(tight.ids.length, 0);
  });

  /** A score that is NaN for the newest token of one KV head. */
  const broken = (when: 'with attention' | 'held') =>
    operator({
      name: 'broken',
      kind: 'score',
      scope: 'head',
      title: 'broken',
      params: {} as Params,
      needs: () => [{ of: 'keys' }],
      inputs: { keys: f32(['Hkv', when === 'held' ? 'T' : 'Q', 'D']) },
      outputs: { score: f32(['Hkv', when === 'held' ? 'T' : 'Q']) },
      graph: (g, { keys }) => ({ score: g.sqrt(g.reduceSum(keys!, 'D')) }),
      reference: ({ keys }) => ({ score: tensor(keys!.dims.slice(0, 2)) }),
      example: { inputs: { keys: [[[1]]] }, outputs: { score: [[1]] } },
    })();
  const choosing = (score: Bound) =>
    method('choosing', {}, () => ({ ...methods.full().declaration, when: ['prompt', 'step'], score, allocate: uniform({ entries: 8, recent: 2 }), select: zones({ recent: last, heavy: top }), encode: exact }), { paper: '' })(); // biome-ignore format: one line

  for (const where of ['with attention', 'held'] as const)
    test(`a score that is not a number is reported with layer, head and position (${where})`, async () => {
      const sequence = createSequence(model, choosing(broken(where)));
      await assert.rejects(feedPrompt(sequence, prompt), /broken: the score of layer \d, KV head \d at position \d+ is not a number; look at its inputs with lab.apply/); // biome-ignore format: one line
    });

  test('so is one of a gate, before attention', async () => {
    const own = methods.attentionGate();
    const [fit] = fitsOf(own);
    const { layers, kvHeads, hidden } = model.config;
    const bias = tensor([layers, kvHeads]);
    const gate = tensor([layers, kvHeads, hidden]);
    // Infinity less infinity, where the hidden state is on one side of 0.
    gate.set(Number.POSITIVE_INFINITY, 1, 2, 5);
    bias.set(Number.POSITIVE_INFINITY, 1, 2);
    const fitted = new Map([[`${fit!.name}/gate`, gate], [`${fit!.name}/bias`, bias]]); // biome-ignore format: one line
    const sequence = createSequence(model, own, 0, fitted);
    await assert.rejects(
      feedPrompt(sequence, prompt),
      /trained-gate: .*layer 1, KV head 2 at position \d+ is not a number/,
    );
    assert.equal(sequence.ids.length, 0);
  });

  /** Attention whose rows nobody can see: it gives its output and no sums. */
  const silent = {
    ...rows(),
    operator: { ...rows().operator, name: 'silent' },
    mix: (
      g: Parameters<NonNullable<ReturnType<typeof rows>['mix']>>[0],
      reads: readonly { logits: never; values: never }[],
    ) => {
      const shares = g.softmax(g.concat(reads.map(({ logits }) => logits), 2, 'C'), 2); // biome-ignore format: one line
      return { output: g.matMul(shares, g.concat(reads.map(({ values }) => values), 1, 'C')) }; // biome-ignore format: one line
    },
  };

  test('a score that needs attention rows is refused where the attend slot gives none, before anything is kept', async () => {
    const { declaration } = methods.h2o();
    const own = method('blind', {}, () => ({ ...declaration, attend: silent as never }), { paper: '' })();
    const sequence = createSequence(model, own);
    await assert.rejects(feedPrompt(sequence, prompt), /score accumulated-attention: it needs attention rows, and attend silent gives none; let it give lse, or take a score that reads keys/); // biome-ignore format: one line
    assert.equal(sequence.ids.length, 0);
  });

  test('such an attend slot serves a score that reads keys, unless the run is recorded', async () => {
    const own = method('silent', {}, () => ({ ...methods.keyNorm({ entries: 9 }).declaration, attend: silent as never }), { paper: '' })(); // biome-ignore format: one line
    const sequence = createSequence(model, own);
    await feedPrompt(sequence, prompt);
    const logits = await feedToken(sequence, tinyIds[20]!);
    const told = createSequence(model, methods.keyNorm({ entries: 9 }));
    await feedPrompt(told, prompt);
    const expected = await feedToken(told, tinyIds[20]!);
    for (const [i, v] of logits.entries()) assert.ok(Math.abs(v - expected[i]!) < 1e-3);
    await assert.rejects(lab.generate(model, prompt, { method: own, maxTokens: 2 }), /silent: its attend slot gives no attention rows to look at; run it with record: false/); // biome-ignore format: one line
    assert.equal((await lab.generate(model, prompt, { method: own, maxTokens: 2, record: false })).ids.length, 2);
  });

  test('a method that needs a fit and was given none says which, and what runs it', async () => {
    for (const own of [methods.razorAttention(), methods.duoAttention(), methods.attentionGate(), methods.locret()])
      await assert.rejects(feedPrompt(createSequence(model, own), prompt), /has not been fitted; run lab.fit\(model, method\) first/, own.name); // biome-ignore format: one line
  });

  test('accumulated attention is refused before attention, since it reads every entry', () => {
    const { declaration } = methods.attentionGate();
    assert.throws(
      () => method('late', {}, () => ({ ...declaration, score: accumulatedAttention() }), { paper: '' })(),
      /late: accumulated-attention reads all entries, which are not known before attention; read new rows alone/,
    );
  });
});
