import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { loadModel, type Model } from '../../kernel/src/engine/model/load.ts';
import { defaultModelPath } from './default-model.ts';
import { best, difference, exactAttention, nll, type Oracle } from './exact-attention.ts';

interface Reference {
  ids: number[];
  nll: number[];
  top1: number[];
  margin: number[];
  lastTop: { ids: number[]; logits: number[] };
  lastSum: number;
  lastNorm: number;
  attentionOnFirst: number[][];
  continuation: { ids: number[]; margin: number[] };
}
const folder = new URL('../../fixtures/parity/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const references: Record<string, Reference> = JSON.parse(read('references.json')).texts;

/** Below this margin the reference's own rounding decides which token is first. */
const nearTie = 1e-3;

describe('the default model on wasm computes what PyTorch computes from the same file', () => {
  let model: Model;
  before(async () => {
    model = await loadModel(defaultModelPath(), { device: 'wasm' });
  });
  after(() => model.release());

  for (const [name, reference] of Object.entries(references))
    describe(name, () => {
      let oracle: Oracle;
      let logits: Float32Array;
      const count = reference.ids.length;
      before(async () => {
        oracle = exactAttention(model);
        logits = await oracle.feed(Uint32Array.from(reference.ids), 'all');
      });

      test('the text has the same token ids, and the ids give the text back', () => {
        const text = read(`${name}.txt`).replace(/\n+$/, '');
        const { ids, droppedBytes } = model.tokenizer.encode(text);
        assert.deepEqual([...ids], reference.ids);
        assert.equal(droppedBytes, 0);
        assert.equal(model.tokenizer.decode(ids), text);
      });

      test('each token has the same likelihood', () => {
        const found = reference.nll.map((_, i) => nll(logits, i, model.config.vocabulary, reference.ids[i + 1]!));
        assert.ok(difference(found, reference.nll) < 1e-3, `largest difference ${difference(found, reference.nll)}`);
      });

      test('each position has the same most likely token, but for near ties', () => {
        const compared = reference.top1.flatMap((_, i) => (reference.margin[i]! < nearTie ? [] : [i]));
        assert.ok(compared.length >= count - 3, `${count - compared.length} near ties`);
        assert.deepEqual(
          compared.map((i) => best(logits, i, model.config.vocabulary)),
          compared.map((i) => reference.top1[i]),
        );
      });

      test('the last position has the same logits', () => {
        const last = logits.subarray((count - 1) * model.config.vocabulary);
        const { ids, logits: expected } = reference.lastTop;
        assert.ok(
          difference(
            Array.from(ids, (id) => last[id]!),
            expected,
          ) < 1e-3,
        );
        const norm = Math.sqrt(last.reduce((sum, v) => sum + v * v, 0));
        assert.ok(Math.abs(norm - reference.lastNorm) < 0.01, `norm ${norm} for ${reference.lastNorm}`);
        const sum = last.reduce((total, v) => total + v, 0);
        assert.ok(
          Math.abs(sum - reference.lastSum) < 1e-3 * model.config.vocabulary,
          `sum ${sum} for ${reference.lastSum}`,
        );
      });

      test('each head rests as much of its attention on position 0', () => {
        const found = oracle.attentionOnFirst();
        assert.ok(difference(found.flat(), reference.attentionOnFirst.flat()) < 1e-3);
      });

      test('the most likely continuation of 24 tokens is the same, up to a near tie', async () => {
        const expected = reference.continuation.ids;
        const tie = reference.continuation.margin.findIndex((margin) => margin < nearTie);
        const compared = tie < 0 ? expected.length : tie;
        const found = [best(logits, count - 1, model.config.vocabulary)];
        while (found.length < compared)
          found.push(best(await oracle.feed(Uint32Array.of(found.at(-1)!), 'last'), 0, model.config.vocabulary));
        assert.deepEqual(found.slice(0, compared), expected.slice(0, compared));
      });
    });
});
