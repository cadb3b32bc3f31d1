import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadModel, type Model } from '../../kernel/src/engine/model/load.ts';
import { difference, exactAttention, nll } from './exact-attention.ts';
import { useSoftwareGraphics } from './swiftshader.ts';

useSoftwareGraphics();

interface Reference {
  text: string;
  ids: number[];
  nll: number[];
  lastLogits: number[];
  attentionOnFirst: number[][];
  induction: number[][];
}
const folder = new URL('../../fixtures/tiny/', import.meta.url);
const path = fileURLToPath(new URL('tiny.gguf', folder));
const reference: Reference = JSON.parse(readFileSync(new URL('reference.json', folder), 'utf8'));
const ids = Uint32Array.from(reference.ids);

describe('the fixture model', () => {
  const models = {} as Record<'wasm' | 'webgpu', Model>;
  const logits = {} as Record<'wasm' | 'webgpu', Float32Array>;
  before(async () => {
    for (const device of ['wasm', 'webgpu'] as const) {
      models[device] = await loadModel(path, { device });
      logits[device] = await exactAttention(models[device]).feed(ids, 'all');
    }
  });
  after(() => Promise.all(Object.values(models).map((model) => model.release())));

  test('is small and has the shape that tests rely on', async () => {
    assert.ok((await stat(path)).size < 2 ** 20);
    const { ropeFrequencies, ...config } = models.wasm.config;
    assert.deepEqual(
      { ...config, rmsEpsilon: Math.fround(config.rmsEpsilon) },
      {
        layers: 2,
        queryHeads: 6,
        kvHeads: 3,
        group: 2,
        headSize: 64,
        hidden: 64,
        mlp: 160,
        vocabulary: 512,
        context: 1024,
        rmsEpsilon: Math.fround(1e-5),
        ropeTheta: 10000,
      },
    );
    assert.deepEqual([ropeFrequencies.length, ropeFrequencies[0]], [32, 1]);
    assert.ok(Math.max(...reference.induction.flat()) >= 0.5);
    assert.ok(Math.max(...reference.attentionOnFirst.flat()) >= 0.3);
  });

  test('has the token ids of its training, with the beginning mark in front', () => {
    assert.deepEqual([...models.wasm.tokenizer.encode(reference.text).ids], reference.ids);
  });

  test('computes what PyTorch computed', async () => {
    const { vocabulary } = models.wasm.config;
    const found = reference.nll.map((_, i) => nll(logits.wasm, i, vocabulary, reference.ids[i + 1]!));
    assert.ok(difference(found, reference.nll) < 1e-4, `largest difference ${difference(found, reference.nll)}`);
    const last = logits.wasm.subarray((ids.length - 1) * vocabulary);
    assert.ok(difference(last, reference.lastLogits) < 1e-4);
    const oracle = exactAttention(models.wasm);
    await oracle.feed(ids, 'last');
    assert.ok(difference(oracle.attentionOnFirst().flat(), reference.attentionOnFirst.flat()) < 1e-4);
  });

  test('computes the same on wasm and on WebGPU', () => {
    const apart = difference(logits.wasm, logits.webgpu);
    assert.ok(apart < 1e-4, `largest difference ${apart}`);
  });

  for (const device of ['wasm', 'webgpu'] as const)
    test(`gives the same on ${device} in one piece, in chunks and token by token`, async () => {
      const { vocabulary } = models[device].config;
      for (const chunk of device === 'wasm' ? [1, 17, 64] : [64]) {
        const oracle = exactAttention(models[device]);
        for (let from = 0; from < ids.length; from += chunk) {
          const part = ids.subarray(from, from + chunk);
          const found = await oracle.feed(part, 'last');
          const end = from + part.length;
          const whole = logits[device].subarray((end - 1) * vocabulary, end * vocabulary);
          assert.ok(difference(found, whole) < 1e-4, `chunks of ${chunk}, position ${end - 1}`);
        }
      }
    });

  test('gives the normed input of a projection when asked, and only then', async () => {
    const model = models.wasm;
    const x = model.embed(ids.subarray(0, 3));
    const plain = await model.project(0, x, undefined, 3);
    assert.equal(plain.hidden, undefined);
    assert.equal(plain.x, x);
    const { hidden } = await model.project(0, x, undefined, 3, { hidden: true });
    assert.equal(hidden!.length, 3 * model.config.hidden);
  });

  test('refuses a wrong layer, a missing attention output and an id outside the vocabulary', async () => {
    const model = models.wasm;
    const x = model.embed(ids.subarray(0, 1));
    const output = new Float32Array(6 * 64);
    await assert.rejects(model.project(2, x, output, 1), /there is no layer 2; the model has 0 to 1/);
    await assert.rejects(model.project(1, x, undefined, 1), /layer 1 needs the attention output of layer 0/);
    await assert.rejects(model.project(0, x, output, 1), /layer 0 takes no attention output/);
    assert.throws(() => model.embed(Uint32Array.of(512)), /token id 512 is outside the vocabulary; ids are 0 to 511/);
  });

  test('counts the bytes of its weights', () => {
    const perLayer = 64 * 384 * 2 + 64 * 192 * 2 + 3 * 64 * 160 + 2 * 64;
    assert.deepEqual(models.wasm.bytes, { weights: 4 * (2 * perLayer + 64 + 64 * 512), embedding: 2 * 64 * 512 });
  });
});
