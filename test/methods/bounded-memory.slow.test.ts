/** Memory stays bounded while 2,000 tokens are written, and what selects at the prompt selects while decoding too. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Method, type MethodFactory, methods, type When } from '@kvlab/ops';
import { heldBytes } from '../../kernel/src/engine/cache/ledger.ts';
import { fittedFor } from '../../kernel/src/engine/fit/fitted.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { randomStream, sample } from '../../kernel/src/engine/run/sampler.ts';
import { createSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';

const prompt = tinyIds.slice(0, 64);
const written = 2000;
/** Methods that the paper runs once, at the prompt, here select again every 64 steps. */
const again: readonly When[] = ['prompt', { every: 64 }];
const half = { keep: 0.5 };
const vote = { ...half, window: 8, when: again };

interface Bound {
  method: Method;
  /** Entries that a head may hold over its budget of half the prompt between two selections. */
  between: number;
  /** Some heads hold everything, as the paper wants; the others are bounded. */
  wholeHeads?: boolean;
}
const bounds: Record<string, Bound> = {
  window: { method: methods.window(half), between: 0 },
  streamingLLM: { method: methods.streamingLLM(half), between: 0 },
  h2o: { method: methods.h2o(half), between: 0 },
  random: { method: methods.random(half), between: 0 },
  keyNorm: { method: methods.keyNorm(half), between: 0 },
  observedAttention: { method: methods.observedAttention(half), between: 0 },
  tova: { method: methods.tova(half), between: 0 },
  keyformer: { method: methods.keyformer(half), between: 0 },
  sirLLM: { method: methods.sirLLM(half), between: 0 },
  scissorhands: { method: methods.scissorhands({ ...half, burst: 16 }), between: 16 },
  keyDiff: { method: methods.keyDiff(half), between: 512 },
  lagKV: { method: methods.lagKV({ ...half, lag: 16 }), between: 512 },
  cur: { method: methods.cur(half), between: 512 },
  leverageScore: { method: methods.leverageScore(half), between: 512 },
  expectedAttention: { method: methods.expectedAttention(half), between: 512 },
  snapKV: { method: methods.snapKV(vote), between: 64 },
  pyramidKV: { method: methods.pyramidKV(vote), between: 64 },
  chunkKV: { method: methods.chunkKV({ ...vote, chunk: 4 }), between: 64 },
  adaKV: { method: methods.adaKV(vote), between: 64 },
  specKV: { method: methods.specKV(vote), between: 64 },
  razorAttention: { method: methods.razorAttention({ recent: 27, when: again }), between: 64, wholeHeads: true },
  duoAttention: { method: methods.duoAttention({ sinks: 4, recent: 28 }), between: 0, wholeHeads: true },
};
/** Methods that evict, but hold more the more is written, and why. */
const growing: Record<string, string> = {
  attentionGate: 'lets in a share of what is written',
  locret: 'evicts while the prompt is read',
  criticPorag: 'holds a share of all that was seen',
  timTree: 'evicts tasks that are closed',
};

test('every method that evicts is held to a bound', () => {
  // Where the last rule takes the rest, nothing leaves, but for heads whose allocation limits it. Methods that merge have
  // tests of their own.
  const evicting = Object.entries(methods as unknown as Record<string, MethodFactory<object>>).filter(([, factory]) => {
    const { select, compensate } = factory().declaration;
    return compensate.neutral && select.keys.every(({ rule }) => rule.name !== 'rest');
  });
  assert.deepEqual(
    evicting.map(([name]) => name).filter((name) => !(name in bounds || name in growing)),
    [],
  );
});

describe(`while ${written} tokens are written on the fixture model`, () => {
  let model: Model;
  before(async () => {
    const loaded = await loadTiny('wasm');
    model = { ...loaded, config: { ...loaded.config, context: prompt.length + written } };
  });
  after(() => model.release());

  for (const [name, { method, between, wholeHeads }] of Object.entries(bounds))
    test(`${name} holds no more than its budget${between ? ` and the ${between} entries between two selections` : ''}`, async () => {
      const sequence = createSequence(model, method, 1, await fittedFor(model, method));
      const left = { prompt: 0, decoding: 0 };
      let phase: keyof typeof left = 'prompt';
      const observer = {
        event: ({ kind }: { kind: string }) => {
          if (kind === 'leave') left[phase]++;
        },
        layer() {},
        written() {},
      };
      const random = randomStream(3);
      let logits = await feedPrompt(sequence, prompt, { observer, chunk: 16 });
      phase = 'decoding';
      /** Most entries a head, over all heads that do not hold everything; most bytes of the first and the second half. */
      let most = 0;
      const bytes = [0, 0];
      for (let step = 0; step < written; step++) {
        logits = await feedToken(sequence, sample(logits, { temperature: 1 }, random, []), { observer });
        const counts = sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count));
        const bounded = wholeHeads ? counts.filter((n) => n < sequence.ids.length) : counts;
        assert.ok(bounded.length > 0, 'some head lets something go');
        most = Math.max(most, bounded.reduce((a, b) => a + b, 0) / bounded.length);
        const part = Math.floor((2 * step) / written);
        bytes[part] = Math.max(bytes[part]!, heldBytes(sequence.layers));
      }
      assert.ok(left.prompt > 0 && left.decoding > 0, `${left.prompt} left at the prompt, ${left.decoding} later`);
      const budget = prompt.length / 2 + between;
      assert.ok(most <= budget, `${most} entries a head, ${budget} allowed`);
      if (!wholeHeads) assert.ok(bytes[1]! <= 1.02 * bytes[0]!, `${bytes[0]} bytes at first, ${bytes[1]} later`);
    });
});
