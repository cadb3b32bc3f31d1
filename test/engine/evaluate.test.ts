/** Evaluation on the fixture model: tasks from seeds, seen and unseen questions, the table and its CSV. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Method, methods } from '@kvlab/ops';
import { lab } from 'kvlab';
import { taskOf } from '../../kernel/src/engine/evaluate/tasks.ts';
import { loadModel, type Model } from '../../kernel/src/engine/model/load.ts';
import { node } from '../../kernel/src/engine/runtime/node.ts';
import type { LabEvaluation } from '../../kernel/src/lab.ts';
import { loadTiny, tinyPath } from './tiny-model.ts';

let model: Model;
let passkey: LabEvaluation;
const calls: string[] = [];
const snap = (o: { keep: number }): Method => methods.snapKV({ ...o, window: 8 });
before(async () => {
  model = await loadTiny('wasm');
  passkey = await lab.evaluate(model, {
    methods: [snap, methods.h2o, methods.kivi({ group: 8, residual: 16 })],
    keep: [1, 0.2],
    seeds: 2,
    tokens: 120,
    onProgress: (done, of) => calls.push(`${done}/${of}`),
  });
});
after(() => model.release());

describe('evaluate', () => {
  test('a task is the same for a seed, another for another, and no line of its filler comes twice', () => {
    for (const name of ['passkey', 'text'] as const) {
      const [one, again, other] = [5, 5, 6].map((seed) => taskOf(model, name, seed, 300));
      assert.deepEqual(one, again);
      assert.notDeepEqual(one!.context, other!.context);
      assert.ok(one!.context.length > 200 && one!.context.length <= 330, String(one!.context.length));
      const lines = model.tokenizer.decode(one!.context).match(/On day \d+[^.]*\./g)!;
      assert.ok(lines.length > 4);
      assert.equal(new Set(lines.map((line) => line.replace(/On day \d+ /, ''))).size, lines.length);
    }
  });

  test('the answer of a pass-key task stands in its context, and places differ from seed to seed', () => {
    const places = [0, 1, 2, 3, 4, 5].map((seed) => {
      const { context, question, answer } = taskOf(model, 'passkey', seed, 300);
      const [text, key] = [context, answer].map((ids) => model.tokenizer.decode(ids!).trim());
      assert.match(key!, /^\d{5}$/);
      assert.match(model.tokenizer.decode(question), /The pass key is$/);
      return text!.indexOf(key!) / text!.length;
    });
    assert.ok(places.every((place) => place >= 0));
    assert.ok(Math.max(...places) - Math.min(...places) > 0.3, places.join(' '));
  });

  test('each method stands at each budget with both questions, the full cache first', () => {
    assert.deepEqual(
      passkey.rows.map(({ method, keep, question }) => [method, keep, question]),
      [
        ['full', Number.NaN],
        ['SnapKV', 1],
        ['SnapKV', 0.2],
        ['H2O', 1],
        ['H2O', 0.2],
        ['KIVI', Number.NaN],
      ].flatMap(([method, keep]) => [
        [method, keep, 'seen'],
        [method, keep, 'unseen'],
      ]),
    );
    assert.deepEqual([calls[0], calls.at(-1)], ['1/24', '24/24']);
  });

  test('the full cache is its own measure, and a method that keeps all of the context is as good', () => {
    for (const { method, keep, kl, ofFull, perplexity, question } of passkey.rows) {
      const full = passkey.rows.find((row) => row.method === 'full' && row.question === question)!;
      if (method === 'full') assert.deepEqual([kl, ofFull], [0, 1]);
      // Tokens of the answer are more than the budget: H2O drops a few of the oldest even then.
      if (method === 'SnapKV' && keep === 1) assert.ok(kl < 1e-6 && Math.abs(perplexity / full.perplexity - 1) < 1e-3);
      if (keep === 0.2) assert.ok(kl > 0.01 && ofFull < 0.6, `${method} ${kl} ${ofFull}`);
    }
  });

  test('SnapKV that has not seen the question keeps something else', () => {
    const [seen, unseen] = ['seen', 'unseen'].map(
      (question) =>
        passkey.rows.find((row) => row.method === 'SnapKV' && row.keep === 0.2 && row.question === question)!,
    );
    assert.notEqual(seen!.perplexity, unseen!.perplexity);
    const full = passkey.rows.filter(({ method }) => method === 'full');
    assert.ok(Math.abs(full[0]!.perplexity / full[1]!.perplexity - 1) < 1e-3, 'the full cache has seen everything');
  });

  test('perplexity is that of lab.score on the same tokens', async () => {
    const scored = await Promise.all(
      [0, 1].map(async (seed) => {
        const { context, question, answer } = taskOf(model, 'passkey', seed, 120);
        const ids = [...context, ...question, ...answer];
        return [
          ...(await lab.score(model, ids, { prefill: ids.length - answer.length, method: snap({ keep: 0.2 }) })).nll,
        ];
      }),
    );
    const nll = scored.flat();
    const expected = Math.exp(nll.reduce((a, b) => a + b) / nll.length);
    const row = passkey.rows.find(
      ({ method, keep, question }) => method === 'SnapKV' && keep === 0.2 && question === 'seen',
    )!;
    assert.ok(Math.abs(row.perplexity / expected - 1) < 1e-4);
  });

  test('table and CSV say the same as the rows', () => {
    const table = passkey.table().objects() as Record<string, number | string>[];
    const [about, head, ...lines] = passkey.csv().trim().split('\n');
    assert.match(about!, /^# task passkey, \d+ tokens of context, tiny on wasm, seeds 0 1$/);
    assert.deepEqual(head!.split(','), Object.keys(table[0]!));
    assert.equal(lines.length, passkey.rows.length);
    passkey.rows.forEach((row, i) => {
      assert.equal(table[i]!.bytes_held, row.bytesHeld);
      assert.equal(lines[i]!.split(',').at(-1), String(row.ofFull));
    });
    assert.ok(
      lines.some((line) => line.includes('"keep 20 %, window 8"')),
      'a comma stays inside its cell',
    );
  });

  test('the text task has no question, and fewer entries recall less', async () => {
    const { rows } = await lab.evaluate(model, {
      methods: [methods.streamingLLM],
      keep: [0.9, 0.2],
      task: 'text',
      seeds: [3],
      tokens: 160,
    });
    assert.deepEqual(
      rows.map(({ question }) => question),
      ['none', 'none', 'none'],
    );
    assert.ok(rows[0]!.kl < rows[1]!.kl && rows[1]!.kl < rows[2]!.kl);
  });

  test('an interrupted evaluation ends with the reason', async () => {
    const stop = new AbortController();
    const onProgress = (done: number) => done === 2 && stop.abort(new Error('enough'));
    await assert.rejects(
      lab.evaluate(model, { methods: [methods.h2o], tokens: 64, signal: stop.signal, onProgress }),
      /enough/,
    );
  });

  test('what a method has to calibrate first tells how far it is, before the first answer', async () => {
    const model = await loadModel(tinyPath, { device: 'wasm', threads: 1, platform: { ...node, shelf: undefined } });
    const told: (readonly [string, number])[] = [];
    await lab.evaluate(model, {
      methods: [methods.attentionGate],
      keep: [0.5],
      task: 'text',
      seeds: 1,
      tokens: 64,
      onFit: (fit, share) => told.push([fit, share]),
      onProgress: () => told.push(['answer', 1]),
    });
    await model.release();
    const first = told.findIndex(([what]) => what === 'answer');
    const shares = told.slice(0, first).map(([, share]) => share);
    assert.ok(shares.length > 4 && shares.at(-1) === 1, shares.join());
    assert.ok(shares.every((share, i) => i === 0 || share >= shares[i - 1]!));
    assert.ok(told.slice(first).every(([what]) => what === 'answer'));
  });

  test('what makes no sense is refused before anything runs', async () => {
    const refuse = (options: object, words: RegExp) =>
      assert.rejects(lab.evaluate(model, { methods: [methods.h2o], ...options }), words);
    await refuse({ methods: [] }, /there are no methods; give at least one/);
    await refuse({ keep: [0] }, /keep has 0; give shares above 0 up to 1/);
    await refuse({ keep: [] }, /keep is empty/);
    await refuse({ task: 'needle' }, /task is "needle"; give one of passkey, text/);
    await refuse({ question: 'maybe' }, /question is "maybe"/);
    await refuse({ seeds: 0 }, /seeds is 0; give a count from 1/);
    await refuse({ seeds: [1.5] }, /seeds is \[1.5\]/);
    await refuse({ tokens: 8 }, /tokens is 8; give a whole number from 32/);
    await refuse({ methods: [methods.kivi] }, /KIVI.*keep.*given as it is to be measured/s);
  });
});
