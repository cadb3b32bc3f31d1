import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabModel, type LabRun, lab, methods, type TokenEvent } from 'kvlab';
import { setHost } from '../../kernel/src/host.ts';
import { tinyIds, tinyPath } from './tiny-model.ts';

/** The numbers of every kept position, layer by layer and head by head. */
const keptEverywhere = (run: LabRun): number[][] =>
  [0, 1].flatMap((layer) => [0, 1, 2].map((kvHead) => [...run.kept(layer, kvHead)]));

describe('what a script calls', () => {
  let model: LabModel;
  const text = 'Ida mended the red bell near the field. The ladder of Leo is yellow.';
  before(async () => {
    model = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  });
  after(() => model.release());
  const prompt = Uint32Array.from(tinyIds.slice(0, 40));
  const greedy = { maxTokens: 6 } as const;

  test('lab.device says where the model runs and why', () => {
    const { device, why, threads } = lab.device();
    assert.deepEqual([device, why, threads >= 1], ['wasm', 'wasm was asked for', true]);
  });

  test('lab.show names the depths where it is asked for another', () => {
    assert.throws(
      () => lab.show({ depth: 'expert' as never }),
      /lab\.show: depth is expert; use one of student, teacher, researcher/,
    );
  });

  test('tokenize gives ids that decode gives back, and recognises special tokens unless told not to', () => {
    const ids = model.tokenize(text);
    assert.ok(ids instanceof Uint32Array);
    assert.ok(model.decode(ids).endsWith(text));
    const special = [...model.tokenizer.ends][0]!;
    const mark = model.decode([special]);
    assert.ok([...model.tokenize(mark)].includes(special));
    assert.ok(![...model.tokenize(mark, { special: false })].includes(special));
  });

  test('generate takes text, messages or ids, and gives new ids only', async () => {
    const fromText = await lab.generate(model, text, greedy);
    const fromIds = await lab.generate(model, model.tokenize(text), greedy);
    const fromList = await lab.generate(model, [...model.tokenize(text)], greedy);
    assert.equal(fromText.ids.length, 6);
    assert.deepEqual([fromIds.ids, fromList.ids], [fromText.ids, fromText.ids]);
    assert.deepEqual([...fromText.promptIds], [...model.tokenize(text)]);
    assert.equal(fromText.text, model.decode(fromText.ids.filter((id) => !model.tokenizer.ends.has(id))));
    const messages = [{ role: 'user', content: text }] as const;
    const said = await lab.generate(model, messages, { maxTokens: 1 });
    assert.deepEqual([...said.promptIds], [...model.tokenize(model.chat(messages))]);
  });

  test('kept gives absolute positions in time order, and the full cache holds prompt plus steps', async () => {
    const run = await lab.generate(model, prompt, greedy);
    // The last token is chosen and not fed: nothing was computed from it yet.
    const all = Array.from({ length: 40 + 6 - 1 }, (_, i) => i);
    for (const kept of keptEverywhere(run)) assert.deepEqual(kept, all);
    const evicting = await lab.generate(model, prompt, { ...greedy, method: methods.h2o({ keep: 0.2 }) });
    for (const kept of keptEverywhere(evicting)) {
      assert.equal(kept.length, 8);
      assert.deepEqual(
        kept,
        [...new Set(kept)].sort((a, b) => a - b),
      );
      assert.ok(kept.includes(44));
    }
    const differing = new Set(keptEverywhere(evicting).map(String));
    assert.ok(differing.size > 1, 'heads keep what they themselves look at');
  });

  test('bytes itemises what is held, beside what the paper claims and what the full cache would hold', async () => {
    const run = await lab.generate(model, prompt, { ...greedy, method: methods.kivi({ group: 8, residual: 16 }) });
    const { held, claimed, full, peak } = run.bytes();
    const { total, ...parts } = held;
    assert.deepEqual(Object.keys(parts), ['payloadKeys', 'payloadValues', 'scales', 'index', 'slack']);
    assert.ok(Math.abs(Object.values(parts).reduce((a, b) => a + b) - total) < 1);
    assert.equal(full, 45 * 2 * 3 * 2 * 64 * 4);
    assert.ok(claimed < total && total <= peak && parts.scales > 0);
  });

  test('maxTokens 0 reads the prompt and writes nothing', async () => {
    const run = await lab.generate(model, prompt, { maxTokens: 0 });
    assert.deepEqual([run.ids.length, run.text, run.ended, run.kept(0, 0).length], [0, '', 'maxTokens', 40]);
  });

  test('a run is continued on the same cache as if all had been one prompt', async () => {
    const more = [...tinyIds.slice(60, 66)];
    for (const method of [methods.full(), methods.streamingLLM({ sinks: 2, recent: 20 })]) {
      const run = await lab.generate(model, prompt, { ...greedy, method });
      const written = [...run.ids];
      const next = await run.continue(more, greedy);
      const whole = await lab.generate(model, [...prompt, ...written, ...more], { ...greedy, method });
      assert.deepEqual(next.ids, whole.ids);
      assert.deepEqual(keptEverywhere(next), keptEverywhere(whole));
    }
  });

  test('a continued run takes text, and feeds no token twice', async () => {
    const run = await lab.generate(model, prompt, greedy);
    const next = await run.continue(' The field', { maxTokens: 3 });
    const more = model.tokenizer.encode(' The field').ids.length;
    assert.equal(next.kept(1, 2).length, 40 + 6 + more + 3 - 1);
    assert.equal(next.ids.length, 3);
    const steps = next.table('tokens').objects() as { position: number }[];
    assert.deepEqual(
      steps.map(({ position }) => position),
      Array.from({ length: 40 + 6 + more + 2 }, (_, i) => i),
    );
  });

  test('a fork knows the steps before it, and its bytes and events go on from there', async () => {
    const run = await lab.generate(model, prompt, { method: methods.h2o({ keep: 0.5 }), maxTokens: 4 });
    const before = { steps: run.table('bytes').numRows(), events: run.table('events').numRows() };
    const fork = run.fork();
    await fork.continue(Uint32Array.of(7, 8, 9), { maxTokens: 3 });
    assert.ok(fork.table('bytes').numRows() > before.steps);
    assert.ok(fork.table('events').numRows() > before.events);
    assert.equal(fork.table('tokens').numRows(), 40 + 3 + 4 + 2);
    assert.equal(run.table('events').numRows(), before.events, 'the original does not change');
  });

  test('a fork goes on by itself: each answers as if it were alone', async () => {
    for (const method of [methods.full(), methods.h2o({ keep: 0.3 }), methods.kivi({ group: 8, residual: 16 })]) {
      const run = await lab.generate(model, prompt, { ...greedy, method });
      const [before, bytes] = [keptEverywhere(run), run.bytes().held.total];
      const fork = run.fork();
      assert.notEqual(fork.id, run.id);
      const first = await fork.continue(tinyIds.slice(80, 90), greedy);
      assert.deepEqual(keptEverywhere(run), before);
      assert.equal(run.bytes().held.total, bytes);
      const second = await run.continue(tinyIds.slice(80, 90), greedy);
      assert.deepEqual(second.ids, first.ids);
      assert.deepEqual(keptEverywhere(second), keptEverywhere(first));
    }
  });

  test('onToken hears each token with its place, text and probability while it is written', async () => {
    const heard: TokenEvent[] = [];
    const run = await lab.generate(model, prompt, { maxTokens: 5, onToken: (token) => heard.push(token) });
    assert.deepEqual(
      heard.map(({ id }) => id),
      [...run.ids],
    );
    assert.deepEqual(
      heard.map(({ index }) => index),
      [0, 1, 2, 3, 4],
    );
    assert.deepEqual(
      heard.map(({ position }) => position),
      [40, 41, 42, 43, 44],
    );
    assert.equal(heard.map((token) => token.text).join(''), run.text);
    const scored = await lab.score(model, [...prompt, ...run.ids], { prefill: 40 });
    for (const { logProb, index } of heard) assert.ok(Math.abs(logProb + scored.nll[index]!) < 1e-4);
  });

  test('a stop text ends the run, alone or in a list', async () => {
    const plain = await lab.generate(model, prompt, { maxTokens: 12 });
    const stop = plain.text.slice(3, 8);
    for (const given of [stop, ['never said', stop]]) {
      const run = await lab.generate(model, prompt, { maxTokens: 12, stop: given });
      assert.equal(run.ended, 'stop');
      assert.ok(run.text.includes(stop) && run.ids.length < 12);
      assert.deepEqual([...run.ids], [...plain.ids.slice(0, run.ids.length)]);
    }
  });

  test('a sampler draws the same with the same seed, and greedy is what it narrows down to', async () => {
    const drawn = async (sampler: object, seed: number) =>
      (await lab.generate(model, prompt, { maxTokens: 12, sampler, seed, record: false })).ids.join();
    const hot = { temperature: 1.5 };
    assert.equal(await drawn(hot, 1), await drawn(hot, 1));
    const several = new Set([await drawn(hot, 1), await drawn(hot, 2), await drawn(hot, 3)]);
    assert.ok(several.size > 1);
    const best = (await lab.generate(model, prompt, { maxTokens: 12, record: false })).ids.join();
    for (const narrow of [{ temperature: 0 }, { topK: 1 }, { topP: 0 }, { minP: 1 }])
      assert.equal(await drawn(narrow, 4), best, JSON.stringify(narrow));
    const penalised = (
      await lab.generate(model, prompt, { maxTokens: 12, sampler: { temperature: 0, repetitionPenalty: 50 } })
    ).ids;
    assert.equal(new Set(penalised).size, 12);
    assert.ok([...penalised].every((id) => !prompt.includes(id)));
  });

  test('recording changes no token and no probability, and its tables can be asked for', async () => {
    for (const method of [methods.full(), methods.h2o({ keep: 0.25 }), methods.kivi({ group: 8, residual: 16 })]) {
      const runs = await Promise.all(
        [true, false].map(async (record) => {
          const logProbs: number[] = [];
          const run = await lab.generate(model, prompt, {
            ...greedy,
            method,
            record,
            onToken: ({ logProb }) => logProbs.push(logProb),
          });
          return { run, logProbs, kept: keptEverywhere(run) };
        }),
      );
      assert.deepEqual(runs[0]!.logProbs, runs[1]!.logProbs);
      assert.deepEqual(runs[0]!.run.ids, runs[1]!.run.ids);
      assert.deepEqual(runs[0]!.kept, runs[1]!.kept);
      for (const name of ['bytes', 'attention', 'events', 'tokens'] as const)
        assert.ok(runs[0]!.run.table(name).numRows() > 0 || name === 'events');
      assert.equal(runs[1]!.run.recorded, false);
      assert.throws(() => runs[1]!.run.table('tokens'), /nothing was recorded; generate with record: true/);
    }
  });

  test('an interrupted run keeps what it wrote, can go on, and gives its memory back', async () => {
    for (const after of [0, 3]) {
      const stop = new AbortController();
      let heard = 0;
      const run = await lab.generate(model, prompt, {
        maxTokens: 10,
        method: methods.h2o({ keep: 0.5 }),
        signal: stop.signal,
        onToken: () => heard++ === after && stop.abort(),
      });
      assert.equal(run.ended, 'interrupted');
      assert.equal(run.ids.length, after + 1);
      const undisturbed = await lab.generate(model, prompt, {
        maxTokens: after + 1,
        method: methods.h2o({ keep: 0.5 }),
      });
      assert.deepEqual(run.ids, undisturbed.ids);
      assert.deepEqual(keptEverywhere(run), keptEverywhere(undisturbed));
      assert.equal(run.bytes().held.total, undisturbed.bytes().held.total);
      const next = await run.continue(tinyIds.slice(70, 74), greedy);
      const other = await undisturbed.continue(tinyIds.slice(70, 74), greedy);
      assert.deepEqual(next.ids, other.ids);
    }
  });

  test('a run interrupted inside its prompt holds whole chunks and can go on', async () => {
    const stop = new AbortController();
    const run = await lab.generate(model, prompt, {
      chunk: 16,
      signal: stop.signal,
      onPrompt: (fed) => fed === 32 && stop.abort(),
    });
    assert.deepEqual([run.ended, run.ids.length, run.kept(0, 0).length], ['interrupted', 0, 32]);
    const next = await run.continue(prompt.slice(32), greedy);
    const whole = await lab.generate(model, prompt, greedy);
    assert.deepEqual(next.ids, whole.ids);
    assert.equal(next.table('tokens').numRows(), 40 + 5);
  });

  test('score gives -ln p of each token after the prefill, and logits rows where asked', async () => {
    const ids = tinyIds.slice(0, 30);
    const scored = await lab.score(model, ids, { prefill: 20, logitsAt: [29, 3, 19, 22] });
    assert.equal(scored.nll.length, 10);
    assert.deepEqual(
      scored.logits.map((row) => row.length),
      [512, 512, 512, 512],
    );
    const pieces = await lab.score(model, ids, { prefill: 1 });
    for (const [i, nll] of scored.nll.entries()) assert.ok(Math.abs(nll - pieces.nll[19 + i]!) < 1e-4);
    assert.ok(Math.abs(scored.perplexity - Math.exp(scored.nll.reduce((a, b) => a + b) / 10)) < 1e-6);
    assert.equal(scored.kept(1, 0).length, 30);
    assert.ok(scored.bytes().held.total > 0);
    const row = scored.logits[3]!;
    const sum = Math.log(row.reduce((total, v) => total + Math.exp(v), 0));
    assert.ok(Math.abs(sum - row[ids[23]!]! - scored.nll[3]!) < 1e-4);
  });

  test('an interrupted score or comparison ends with the reason of its signal', async () => {
    const stop = new AbortController();
    const reason = new Error('the cell was interrupted');
    const onProgress = (fed: number) => fed === 25 && stop.abort(reason);
    await assert.rejects(lab.score(model, prompt, { prefill: 20, signal: stop.signal, onProgress }), reason);
    const signal = AbortSignal.abort(reason);
    await assert.rejects(lab.compare(model, prompt, { methods: [methods.full()], signal }), reason);
  });

  test('an interrupted cell ends a call that was given a signal of its own', async () => {
    const cell = new AbortController();
    const { signal } = new AbortController();
    const nothing = { publish() {}, display() {}, onPanel: () => () => {}, show() {}, point() {} };
    setHost({ ...nothing, signal: () => cell.signal });
    try {
      const onToken = ({ index }: TokenEvent) => index === 1 && cell.abort(new Error('interrupted'));
      const run = await lab.generate(model, prompt, { maxTokens: 9, signal, onToken });
      assert.deepEqual([run.ended, run.ids.length], ['interrupted', 2]);
      await assert.rejects(lab.score(model, prompt, { prefill: 20, signal }), /interrupted/);
      await assert.rejects(lab.compare(model, prompt, { methods: [methods.full()], signal }), /interrupted/);
    } finally {
      setHost(undefined);
    }
  });

  test("compare judges methods on the full cache's own tokens: nothing is lost where nothing is evicted", async () => {
    const { results, ids, promptTokens } = await lab.compare(model, prompt, {
      methods: [methods.h2o({ keep: 1 }), methods.window({ recent: 6 }), methods.kivi({ group: 8, residual: 16 })],
      mode: 'forced',
      maxTokens: 8,
    });
    const own = await lab.generate(model, prompt, { maxTokens: 8 });
    assert.deepEqual([...ids], [...own.ids]);
    assert.equal(promptTokens, 40);
    assert.deepEqual(
      results.map(({ method }) => method),
      ['full', 'H2O', 'window', 'KIVI'],
    );
    const [full, idle, window, kivi] = results;
    assert.deepEqual([full!.meanKl, idle!.meanKl < 1e-6, full!.agreement, idle!.agreement], [0, true, 1, 1]);
    assert.ok(window!.meanKl > kivi!.meanKl && kivi!.meanKl > 0);
    assert.ok(window!.bytes.held.payloadKeys < full!.bytes.held.payloadKeys / 5);
    for (const { kl, top1, nll, perplexity } of results) {
      assert.deepEqual([kl.length, top1.length, nll.length], [ids.length, ids.length, ids.length]);
      assert.ok(Math.abs(perplexity - Math.exp(nll.reduce((a, b) => a + b) / nll.length)) < 1e-5 * perplexity);
    }
  });
});
