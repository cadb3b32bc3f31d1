/** A method that votes at the prompt votes in the same way while text is written: with its whole window, not the last query. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { dot, highest, softmax, sum, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const [prompt, window, entries, kernel, every] = [40, 5, 16, 3, 6];

/** Rows of every position as they pass, turned to their angle: [layer][head][position]. */
function watched(from: Model) {
  const { layers, queryHeads, kvHeads, group, headSize: D, ropeFrequencies } = from.config;
  const empty = (heads: number) => upTo(layers).map(() => upTo(heads).map((): number[][] => []));
  const [queries, keys] = [empty(queryHeads), empty(kvHeads)];
  const turn = (row: Float32Array, position: number) => {
    const out = [...row];
    ropeFrequencies.forEach((frequency, pair) => {
      const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
      const [even, odd] = [row[2 * pair]!, row[2 * pair + 1]!];
      [out[2 * pair], out[2 * pair + 1]] = [even * cos - odd * sin, even * sin + odd * cos];
    });
    return out;
  };
  const model: Model = {
    ...from,
    async project(layer, x, output, count, ...rest) {
      const found = await from.project(layer, x, output, count, ...rest);
      const add = (list: number[][], data: Float32Array, head: number) => {
        for (const i of upTo(count)) {
          const at = (head * count + i) * D;
          list.push(turn(data.subarray(at, at + D), list.length));
        }
      };
      for (const [head, list] of queries[layer]!.entries()) add(list, found.queries, head);
      for (const [head, list] of keys[layer]!.entries()) add(list, found.keys, head);
      return found;
    },
  };
  /** What the last queries give each of some positions, summed over the group; the window's own count nothing. */
  const votes = (layer: number, kvHead: number, held: readonly number[]): number[] => {
    const seen = keys[layer]![kvHead]!.length;
    const rows = upTo(group).flatMap((member) =>
      upTo(window).map((i) => {
        const query = seen - window + i;
        const row = queries[layer]![kvHead * group + member]![query]!;
        const open = held.filter((p) => p <= query);
        const shares = softmax(open.map((p) => dot(row, keys[layer]![kvHead]![p]!)));
        return held.map((_, k) => shares[k] ?? 0);
      }),
    );
    const raw = held.map((_, k) => (k < held.length - window ? sum(rows.map((row) => row[k]!)) : 0));
    return raw.map((_, k) => Math.max(...upTo(kernel).map((i) => raw[k + i - 1] ?? 0)));
  };
  return { model, votes };
}

test('every few steps the last queries vote over what is held, as two plain loops let them', async () => {
  const { model: spied, votes } = watched(model);
  const method = methods.snapKV({ entries, window, kernel, when: ['prompt', { every }] });
  const sequence = createSequence(spied, method);
  await feedPrompt(sequence, tinyIds.slice(0, prompt));
  const held = () =>
    sequence.layers.map(({ tables }, l) => tables.map((_, h) => [...keptPositions(sequence.layers[l]!, h)]));
  let before = held();
  let selections = 0;
  for (let step = 1; step <= 30; step++) {
    await feedToken(sequence, tinyIds[prompt + step - 1]!);
    const now = held();
    if (step % every === 0) {
      before.forEach((heads, l) => {
        heads.forEach((kept, h) => {
          const open = [...kept, prompt + step - 1];
          const scores = votes(l, h, open).slice(0, -window);
          const best = highest(scores, entries - window).map((k) => open[k]!);
          assert.deepEqual(now[l]![h], [...best, ...open.slice(-window)], `layer ${l}, head ${h}, step ${step}`);
        });
      });
      selections++;
    }
    before = now;
  }
  assert.equal(selections, 5);
});

test('a method that votes once remembers no queries', async () => {
  const sequence = createSequence(model, methods.snapKV({ entries, window }));
  await feedPrompt(sequence, tinyIds.slice(0, prompt));
  assert.ok(sequence.tails.every((tail) => tail === undefined));
});

for (const name of ['adaKV', 'pyramidKV', 'chunkKV', 'specKV'] as const)
  test(`${name} selects again while text is written and keeps to its budget`, async () => {
    const sequence = createSequence(model, methods[name]({ entries, window, when: ['prompt', { every }] }));
    await feedPrompt(sequence, tinyIds.slice(0, prompt));
    for (const id of tinyIds.slice(prompt, prompt + every)) await feedToken(sequence, id);
    const counts = sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count));
    assert.ok(sum(counts) <= counts.length * entries, `${counts}`);
  });
