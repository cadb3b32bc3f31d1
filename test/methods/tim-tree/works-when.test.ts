/** Works when: the tokens of a closed list of subtasks leave, its conclusions stay, and positions close up behind it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Method, method, methods, type Segment } from '@kvlab/ops';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { apart } from '../../engine/walk.ts';
import { upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

/** TIM with lists of subtasks at places that a test names, instead of those that the text has. */
function timAt(
  lists: readonly (readonly [from: number, to: number])[],
  options: { keepLists: number; again?: boolean },
): Method {
  const { declaration } = methods.timTree(options);
  const cut = (pieces: readonly string[]): Segment[] =>
    lists
      .filter(([from]) => from < pieces.length)
      .map(([from, to]) => ({
        from,
        to: Math.min(to, pieces.length),
        open: pieces.length < to,
        within: -1,
        conclusion: false,
      }));
  const segment = { ...declaration.segment!, cut };
  return method('TIM at places', {}, () => ({ ...declaration, segment }), { paper: '' })();
}

/** Feeds one token after another; gives the last logits and the entries that a head holds after each. */
async function fed(own: Method, ids: readonly number[]) {
  const sequence = createSequence(model, own);
  let logits = await feedPrompt(sequence, ids.slice(0, 1));
  const live: number[] = [];
  for (const id of ids.slice(1)) {
    logits = await feedToken(sequence, id);
    live.push(sequence.layers[0]!.tables[0]!.count);
  }
  return { logits, live, kept: [...keptPositions(sequence.layers[1]!, 2)], sequence };
}

const tree =
  '{"thought":"go","subtasks":[{"thought":"look","conclusion":"red"},{"thought":"ask","conclusion":"no"}],"conclusion":"red';

test('of a scripted tree the conclusions of closed subtasks stay, and everything outside of their list', async () => {
  const { encode, bytes } = model.tokenizer;
  const ids = Array.from(encode(tree, { begin: false }).ids);
  const { kept } = await fed(methods.timTree({ keepLists: 0 }), ids);
  const text = kept.map((position) => new TextDecoder().decode(bytes(ids[position]!))).join('');
  const [from, to] = [tree.indexOf('[{"thought":"look'), tree.indexOf('],') + 1];
  assert.ok(text.startsWith(tree.slice(0, from)), text);
  assert.ok(text.endsWith(tree.slice(to)), text);
  const inside = text.slice(from, text.length - (tree.length - to));
  assert.match(inside, /red.*no/);
  assert.ok(!inside.includes('look') && !inside.includes('ask'), inside);
  assert.equal((await fed(methods.timTree({ keepLists: 1 }), ids)).kept.length, ids.length);
});

test('a root of 10, a child of 50 with a conclusion of 5 behind it, a child of 40: at most 60 tokens live, not 105', async () => {
  const { live } = await fed(timAt([[10, 60], [65, 105]], { keepLists: 0 }), tinyIds.slice(0, 105)); // biome-ignore format: two lists
  assert.equal(Math.max(...live.slice(0, -1)), 59);
  assert.equal(live[63], 15);
  assert.equal(live[102], 54);
  assert.equal(live.at(-1), 15);
});

test('what comes after a list that left reads as if the list had never been there: its positions are used again', async () => {
  const [before, hole, behind] = [tinyIds.slice(0, 20), tinyIds.slice(20, 36), tinyIds.slice(36, 50)];
  const pruned = await fed(timAt([[20, 36]], { keepLists: 0 }), [...before, ...hole, ...behind]);
  const never = await fed(timAt([], { keepLists: 0 }), [...before, ...behind]);
  assert.deepEqual(pruned.kept, [...upTo(20), ...upTo(14).map((i) => 36 + i)]);
  assert.ok(apart([pruned.logits], [never.logits]) < 1e-5, `apart by ${apart([pruned.logits], [never.logits])}`);
});

test('what stood behind a hole before it opened forgets it only when it runs again', async () => {
  const lists = [[8, 16], [20, 28]] as const; // biome-ignore format: two lists
  const ids = tinyIds.slice(0, 34);
  const never = await fed(timAt([], { keepLists: 1 }), [...ids.slice(0, 8), ...ids.slice(16)]);
  const again = await fed(timAt(lists, { keepLists: 1, again: true }), ids);
  const once = await fed(timAt(lists, { keepLists: 1 }), ids);
  assert.deepEqual(again.kept, [...upTo(8), ...upTo(18).map((i) => 16 + i)]);
  assert.deepEqual(once.kept, again.kept);
  assert.ok(apart([again.logits], [never.logits]) < 1e-5, `apart by ${apart([again.logits], [never.logits])}`);
  assert.ok(apart([once.logits], [never.logits]) > 1e-3, 'states that were kept still know what left');
  assert.deepEqual(again.sequence.ids, ids);
});

test('a text without closed lists is read as by the full cache', async () => {
  const ids = tinyIds.slice(0, 40);
  const { logits } = await fed(methods.timTree(), ids);
  const full = await fed(methods.full(), ids);
  assert.ok(apart([logits], [full.logits]) < 1e-5);
});

test('a text may grow past the context of the model while what lives stays within it', async () => {
  const context = 64;
  const small = { ...model, config: { ...model.config, context } };
  const lists = upTo(6).map((i) => [16 * i + 4, 16 * i + 16] as const);
  const sequence = createSequence(small, timAt(lists, { keepLists: 0 }));
  await feedPrompt(sequence, tinyIds.slice(0, 4));
  for (const id of tinyIds.slice(4, 90)) await feedToken(sequence, id);
  assert.equal(sequence.ids.length, 90);
  await assert.rejects(
    feedPrompt(createSequence(small, methods.timTree()), tinyIds.slice(0, 70)),
    /more than its context of 64/,
  );
});
