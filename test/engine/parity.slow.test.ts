import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { methods } from '@kvlab/ops';
import { loadModel, type Model } from '../../kernel/src/engine/model/load.ts';
import { type Columns, decodeFrame, type Frame } from '../../kernel/src/engine/record/frame.ts';
import { generate, type Run } from '../../kernel/src/engine/run/run.ts';
import { score } from '../../kernel/src/engine/run/score.ts';
import { defaultModelPath } from '../model/default-model.ts';
import { difference } from '../model/exact-attention.ts';

interface Reference {
  ids: number[];
  nll: number[];
  top1: number[];
  margin: number[];
  attentionOnFirst: number[][];
  continuation: { ids: number[]; margin: number[] };
}
const references: Record<string, Reference> = JSON.parse(
  readFileSync(new URL('../../fixtures/parity/references.json', import.meta.url), 'utf8'),
).texts;
/** Below this margin the reference's own rounding decides which token is first. */
const nearTie = 1e-3;

/** A run, and what its frames said while the prompt was read: log columns whole, state columns as they were at its end. */
async function recorded(
  model: Model,
  ids: readonly number[],
  maxTokens: number,
): Promise<{ run: Run; atPrompt: Columns }> {
  let atPrompt: Columns = {};
  const stage = {
    newId: () => 'parity',
    now: () => performance.now(),
    publish({ header, buffer }: Frame) {
      if (header.step === 0) atPrompt = { ...atPrompt, ...decodeFrame(header, buffer) };
    },
  };
  const run = await generate(model, Uint32Array.from(ids), { maxTokens }, stage);
  return { run, atPrompt };
}

describe('the cache of the default model on wasm gives what PyTorch gives from the same file', () => {
  let model: Model;
  before(async () => {
    model = await loadModel(defaultModelPath(), { device: 'wasm' });
  });
  after(() => model.release());

  for (const [name, reference] of Object.entries(references))
    describe(name, () => {
      let run: Run;
      let atPrompt: Columns;
      before(async () => {
        ({ run, atPrompt } = await recorded(model, reference.ids, reference.continuation.ids.length));
      });

      test('each token of the prompt has the same likelihood', () => {
        const { header, buffer } = run.snapshot();
        const logProbs = decodeFrame(header, buffer)['token.logProb']!.data;
        const found = reference.nll.map((_, i) => -logProbs[i + 1]!);
        assert.ok(difference(found, reference.nll) < 1e-3, `largest difference ${difference(found, reference.nll)}`);
      });

      test('each head rests as much of its attention on position 0', () => {
        const { shape, data } = atPrompt['attention.received']!;
        const [layers, queryHeads, T] = shape as [number, number, number];
        assert.equal(T, reference.ids.length);
        const found = Array.from({ length: layers * queryHeads }, (_, head) => data[head * T]!);
        assert.ok(difference(found, reference.attentionOnFirst.flat()) < 1e-3);
      });

      test('the most likely continuation is the same, up to a near tie', () => {
        const { ids, margin } = reference.continuation;
        const tie = margin.findIndex((m) => m < nearTie);
        // The engine ends at an end token, where the reference wrote on.
        const compared = Math.min(tie < 0 ? ids.length : tie, run.ids.length);
        assert.ok(
          compared === ids.length || tie >= 0 || run.ended === 'end token',
          `only ${compared} tokens, ${run.ended}`,
        );
        assert.deepEqual([...run.ids.slice(0, compared)], ids.slice(0, compared));
      });
    });

  test('chunks, one piece and single tokens give the same likelihoods and the same first tokens', async () => {
    const { ids, top1, margin } = references['mixed']!;
    const some = ids.slice(0, 64);
    const all = some.map((_, position) => position);
    const rowsOf = async (options: object) => (await score(model, some, { logitsAt: all, ...options })).logits;
    const piece = await rowsOf({ prefill: 64, chunk: 64 });
    for (const options of [{ prefill: 64, chunk: 21 }, { prefill: 40, chunk: 32 }, { prefill: 1 }]) {
      const found = await rowsOf(options);
      for (const [position, row] of found.entries()) {
        const largest = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
        const apart = difference(row, piece[position]!) / largest;
        assert.ok(apart < 1e-4, `${JSON.stringify(options)}: position ${position} is apart by ${apart}`);
      }
    }
    for (const [position, row] of piece.entries())
      if (margin[position]! >= nearTie) assert.equal(row.indexOf(row.reduce((a, b) => Math.max(a, b))), top1[position]);
  });

  test('H2O at a fifth of a real prompt holds what it says, and loses little on the tokens that follow', async () => {
    const { ids, nll } = references['prose']!;
    const prefill = 200;
    const some = ids.slice(0, prefill + 16);
    const { kept, bytes, ...found } = await score(model, some, { prefill, method: methods.h2o({ keep: 0.2 }) });
    for (const [layer, kvHead] of [
      [0, 0],
      [14, 1],
      [29, 2],
    ] as const)
      assert.equal(kept(layer, kvHead).length, 40);
    const { held, full } = bytes();
    assert.equal(held.payloadKeys + held.payloadValues, 30 * 3 * 40 * 512);
    assert.ok(held.total < 0.5 * full, `${held.total} of ${full}`);
    const mean = (list: Iterable<number>) => [...list].reduce((a, b) => a + b) / 16;
    const exact = mean(nll.slice(prefill - 1, prefill + 15));
    assert.ok(mean(found.nll) > exact - 0.5 && mean(found.nll) < exact + 2, `${mean(found.nll)} for ${exact}`);
  });
});
