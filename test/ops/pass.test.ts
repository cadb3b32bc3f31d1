import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  filterPrompt,
  lastQueryProducts,
  lookahead,
  methods,
  type Runner,
  runAgainAfterHole,
  tensor,
} from '@kvlab/ops';

/** Scores tokens by their id, and drafts by counting on from the last id. */
const runner: Runner = {
  score: async (tokens) => tensor([1, tokens.length], tokens),
  write: async (tokens, count) => Int32Array.from({ length: count }, (_, i) => tokens.at(-1)! + 1 + i),
};

test('the best tokens of the prompt stay in their order, the earlier of equals first', async () => {
  const { before } = filterPrompt({ layers: 2, tokens: 3, score: lastQueryProducts() });
  const { tokens, guests } = await before!(Int32Array.from([5, 9, 1, 5, 7]), runner);
  assert.deepEqual([...tokens], [5, 9, 7]);
  assert.equal(guests, undefined);
});

test('a prompt that is short enough is run as it is', async () => {
  const { before } = filterPrompt({ layers: 2, tokens: 8, score: lastQueryProducts() });
  const short = Int32Array.from([3, 1]);
  assert.equal((await before!(short, runner)).tokens, short);
});

test('a draft follows the prompt as guests, and without a draft nothing does', async () => {
  const draft = methods.streamingLLM({ sinks: 4, recent: 16 });
  const found = await lookahead({ draft, tokens: 3 }).before!(Int32Array.from([1, 2]), runner);
  assert.deepEqual([[...found.tokens], [...found.guests!]], [[1, 2], [3, 4, 5]]); // biome-ignore format: two lists
  const none = lookahead({ draft, tokens: 0 });
  assert.ok(none.neutral);
  assert.equal((await none.before!(Int32Array.from([1]), runner)).guests, undefined);
});

test('what follows a hole runs again up to the end, if the method wants it', () => {
  assert.deepEqual(runAgainAfterHole({ again: true }).after!({ from: 3, to: 9 }, 20), { from: 9, to: 20 });
  assert.equal(runAgainAfterHole({ again: false }).after, undefined);
});
