/** Works when: tokens that surprised the model stay beside sinks and the newest, and their surprise fades with each turn. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { highest, sum } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

/** Minus ln of the probability that logits give a token. */
function surpriseOf(logits: Float32Array, id: number): number {
  const top = Math.max(...logits);
  return top + Math.log(sum([...logits].map((v) => Math.exp(v - top)))) - logits[id]!;
}

/** Feeds turns token by token; after each, compares what is held with the rule applied to surprises of our own. */
async function follow(options: { sinks: number; heavy: number; recent: number; decay: number }, turns: number[]) {
  const { sinks, heavy, recent, decay } = options;
  const sequence = createSequence(model, methods.sirLLM(options));
  const surprise: number[] = [];
  const turnOf: number[] = [];
  let held: number[] = [];
  let next = 0;
  let logits = new Float32Array(0) as Float32Array;
  const left = new Set<number>();
  for (const [turn, length] of turns.entries()) {
    sequence.turn = turn;
    for (let i = 0; i < length; i++) {
      const id = tinyIds[next]!;
      surprise.push(next === 0 ? 0 : surpriseOf(logits, id));
      turnOf.push(turn);
      logits = next === 0 ? await feedPrompt(sequence, [id]) : await feedToken(sequence, id);
      held.push(next);
      next++;
      const newest = held.slice(-recent || held.length);
      const others = held.filter((p) => p >= sinks && !(recent > 0 && newest.includes(p)));
      const worth = others.map((p) => surprise[p]! * decay ** (turn - turnOf[p]!));
      const best = highest(worth, heavy).map((rank) => others[rank]!);
      const stays = held.filter((p) => p < sinks || (recent > 0 && newest.includes(p)) || best.includes(p));
      for (const p of held) if (!stays.includes(p)) left.add(p);
      held = stays;
      for (const layer of sequence.layers)
        for (const h of layer.tables.keys())
          assert.deepEqual([...keptPositions(layer, h)], held, `after token ${next - 1}`);
    }
  }
  return { held, surprise, left };
}

test('sinks, the newest and the most surprising stay, and what has left never returns', async () => {
  const { held, surprise, left } = await follow({ sinks: 2, heavy: 6, recent: 3, decay: 1 }, [50]);
  assert.equal(held.length, 11);
  const mean = (positions: number[]) => sum(positions.map((p) => surprise[p]!)) / positions.length;
  assert.ok(mean(held.slice(2, 8)) > mean([...left]));
});

test('surprise fades with each turn, so that old surprises make room', async () => {
  const turns = [20, 15, 15];
  const [lasting, fading] = [
    await follow({ sinks: 2, heavy: 6, recent: 0, decay: 1 }, turns),
    await follow({ sinks: 2, heavy: 6, recent: 0, decay: 0.5 }, turns),
  ];
  const age = (held: number[]) => sum(held.slice(2));
  assert.ok(age(fading.held) > age(lasting.held), `${fading.held} against ${lasting.held}`);
});

test('without a new turn nothing fades', async () => {
  const options = { sinks: 2, heavy: 6, recent: 0 };
  assert.deepEqual(
    (await follow({ ...options, decay: 0.3 }, [40])).held,
    (await follow({ ...options, decay: 1 }, [40])).held,
  );
});

test('what is held is read at positions that close up, as in StreamingLLM', () => {
  const { declaration } = methods.sirLLM();
  assert.equal(declaration.attend.ruleOf('heavy').name, 'contiguous');
  assert.deepEqual(
    declaration.select.keys.map(({ zone }) => zone),
    ['sinks', 'recent', 'heavy'],
  );
});
