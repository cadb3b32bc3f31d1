import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type LabModel, lab, methods } from 'kvlab';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import { node } from '../../kernel/src/engine/runtime/node.ts';
import { tinyIds, tinyPath } from './tiny-model.ts';

describe('bad input to the lab', () => {
  let model: LabModel;
  before(async () => {
    model = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  });
  after(() => model.release());
  const prompt = tinyIds.slice(0, 20);

  test('an empty prompt is refused, as text, messages or ids', async () => {
    for (const empty of [[], new Uint32Array()])
      await assert.rejects(lab.generate(model, empty), /the prompt is empty; give text, messages or token ids/);
    await assert.rejects(lab.score(model, []), /score: there are no ids; give at least one/);
    await assert.rejects(lab.compare(model, [], { methods: [methods.full()] }), /the prompt is empty/);
  });

  test('a prompt longer than the context is refused with both figures, at once', async () => {
    const long = Array.from({ length: 1025 }, (_, i) => tinyIds[i % 250]!);
    const start = performance.now();
    await assert.rejects(
      lab.generate(model, long, { method: methods.h2o({ keep: 0.1 }) }),
      /1025 tokens are more than its context of 1024; shorten the prompt or use a method that closes up positions and holds less/,
    );
    assert.ok(performance.now() - start < 1000);
    // The last token is judged and not fed.
    await assert.rejects(lab.score(model, [...long, 20]), /1025 tokens are more than its context of 1024/);
  });

  test('a text that grows past the context while it is written ends with the same words', async () => {
    const long = Array.from({ length: 1020 }, (_, i) => tinyIds[i % 250]!);
    await assert.rejects(
      lab.generate(model, long, { method: methods.window({ recent: 30 }), record: false, maxTokens: 20 }),
      /1025 tokens are more than its context of 1024/,
    );
  });

  test('a method that closes up positions reads past the context', async () => {
    const long = Array.from({ length: 1100 }, (_, i) => tinyIds[i % 250]!);
    const method = methods.streamingLLM({ sinks: 2, recent: 60 });
    const run = await lab.generate(model, long, { method, record: false, maxTokens: 2 });
    assert.deepEqual([...run.kept(0, 0)].slice(0, 3), [0, 1, 1041]);
  });

  test('a method that could close up positions but keeps everything is held to the context', async () => {
    const long = Array.from({ length: 1100 }, (_, i) => tinyIds[i % 250]!);
    await assert.rejects(
      lab.generate(model, long, { method: methods.streamingLLM({ keep: 1 }), record: false, maxTokens: 0 }),
      /more than its context of 1024/,
    );
  });

  test('keep outside (0, 1] is refused by every method that takes it', () => {
    for (const keep of [0, -0.1, 1.01, 20, Number.NaN])
      for (const make of [methods.h2o, methods.snapKV, methods.window, methods.streamingLLM, methods.random])
        assert.throws(() => make({ keep }), /keep is .*; give a share above 0 and up to 1/);
    assert.throws(() => methods.h2o({ entries: 0 }), /H2O: entries is 0; give at least 1 for each head/);
    assert.throws(() => methods.h2o({ bytes: -5 }), /H2O: bytes is -5; give more than 0/);
    assert.throws(() => methods.h2o({ keep: 0.5, entries: 9 }), /keep, entries and bytes say the same thing; give one/);
  });

  test('a budget is refused by methods that evict nothing', () => {
    assert.throws(() => methods.kivi({ keep: 0.2 }), /KIVI: it evicts nothing, so keep sets no budget; leave it out/);
    assert.throws(() => methods.full({ entries: 9 }), /full: it evicts nothing, so entries sets no budget/);
  });

  test('an option that a method does not have is refused with those that it has', () => {
    assert.throws(
      () => methods.kivi({ bit: 2 } as object),
      /KIVI: there is no option bit; there is bits, group, residual, residualAs/,
    );
  });

  test('a budget smaller than sinks and window is refused with all three figures', async () => {
    const method = methods.streamingLLM({ sinks: 10, keep: 0.2 });
    await assert.rejects(lab.generate(model, prompt, { method }), /StreamingLLM: .*budget is 4 entries a head, but 10/);
    const snap = methods.snapKV({ entries: 16, window: 32 });
    await assert.rejects(
      lab.generate(model, prompt, { method: snap }),
      /SnapKV: .*budget is 16 entries a head, but 32/,
    );
  });

  test('an unknown device is refused with the known ones', async () => {
    await assert.rejects(
      lab.load(tinyPath, { device: 'cuda' as 'wasm' }),
      /there is no device "cuda"; use 'auto', 'wasm' or 'webgpu'/,
    );
  });

  test('WebGPU asked for and absent is an error that says why, and auto falls back to wasm in words', async () => {
    const script = `
      const { lab } = await import('kvlab');
      const path = ${JSON.stringify(tinyPath)};
      await lab.load(path, { device: 'webgpu' }).catch((error) => console.log(error.message));
      const model = await lab.load(path, { device: 'auto', threads: 1 });
      console.log(lab.device().device + ': ' + lab.device().why);
      await model.release();
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=kvlab-source', '--input-type=module', '-e', script],
      {
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        env: { ...process.env, VK_ICD_FILENAMES: '/nowhere.json' },
      },
    );
    const [refused, device] = stdout.trim().split('\n');
    assert.match(
      refused!,
      /^runtime: webgpu was asked for and .*; use 'auto' or 'wasm', which need no graphics device$/,
    );
    assert.match(device!, /^wasm: wasm, because /);
  });

  test('less free memory than the model needs is said with both figures before anything is loaded', async () => {
    let sessions = 0;
    const platform = {
      ...node,
      availableBytes: () => 64 * 2 ** 20,
      ort: (...args: Parameters<typeof node.ort>) => {
        sessions++;
        return node.ort(...args);
      },
    };
    await assert.rejects(
      loadModel(tinyPath, { device: 'wasm', platform }),
      /needs about \d+ MiB of memory and 64 MiB are free; close other programs or take a smaller model/,
    );
    assert.equal(sessions, 0);
  });

  test('ids outside the vocabulary are refused before the cache changes', async () => {
    await assert.rejects(lab.generate(model, [3, 512]), /token id 512 is outside the vocabulary; ids are 0 to 511/);
    const run = await lab.generate(model, prompt, { maxTokens: 2 });
    await assert.rejects(run.continue([9999]), /token id 9999 is outside the vocabulary/);
    assert.deepEqual(run.kept(0, 0).length, 21);
    const next = await run.continue(tinyIds.slice(30, 33), { maxTokens: 2 });
    assert.equal(next.kept(0, 0).length, 20 + 2 + 3 + 1);
  });

  test('settings of a run that make no sense are refused by name', async () => {
    const refuse = (options: object, words: RegExp) => assert.rejects(lab.generate(model, prompt, options), words);
    await refuse({ maxTokens: -1 }, /maxTokens is -1; give a whole number from 0/);
    await refuse({ maxTokens: 2.5 }, /maxTokens is 2.5/);
    await refuse({ chunk: 0 }, /chunk is 0; give a whole number from 1/);
    await refuse({ sampler: 'beam' }, /sampler: it is "beam"; give 'greedy' or/);
    await refuse({ sampler: { temprature: 1 } }, /there is no temprature; there is temperature/);
    await refuse({ sampler: { topP: 2 } }, /topP is 2; give 0 to 1/);
    await refuse(
      { record: [{ layer: 2, queryHead: 0 }] },
      /record names layer 2, query head 0; the model has layers 0 to 1/,
    );
  });

  test('score and compare refuse positions, prefills and empty lists', async () => {
    await assert.rejects(lab.score(model, prompt, { prefill: 0 }), /prefill is 0; give 1 to 20/);
    await assert.rejects(lab.score(model, prompt, { prefill: 21 }), /prefill is 21; give 1 to 20/);
    await assert.rejects(lab.score(model, prompt, { logitsAt: [20] }), /logitsAt has 20; positions are 0 to 19/);
    await assert.rejects(lab.compare(model, prompt, { methods: [] }), /there are no methods; give at least one/);
  });

  test('heads and layers that there are not are refused by kept', async () => {
    const run = await lab.generate(model, prompt, { maxTokens: 1 });
    assert.throws(() => run.kept(2, 0), /layer is 2; the model has 0 to 1/);
    assert.throws(() => run.kept(0, 3), /kvHead is 3; the model has 0 to 2/);
  });

  test('an operator of the lab that there is not is refused with those that there are', async () => {
    const { ops } = await import('kvlab');
    await assert.rejects(
      (ops as unknown as Record<string, () => Promise<void>>)['keyNrom']!(),
      /there is no operator keyNrom; there is .*keyNorm/,
    );
  });
});
