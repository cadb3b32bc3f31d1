/** Works when: what was below average in the history stays unimportant; a head that is full drops the most often below
 *  average in one burst, and never the newest. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lab, methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { walk } from '../../engine/walk.ts';
import { attentionOf, groupOf, highest, mean, randomLayer, sum, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const tokens = 40;
const layer = randomLayer({ tokens, seed: 3 });

test('the entries that most queries found below average leave, of equals those that received less', async () => {
  const { kept } = await lab.apply(methods.scissorhands({ target: 16, burst: 8, recent: 4, history: 200 }), layer);
  layer.keys.forEach((_, h) => {
    const heads = groupOf(layer, h).map((head) => attentionOf(layer, head));
    const rows = upTo(tokens).map((q) => upTo(tokens).map((key) => mean(heads.map((head) => head[q]![key]!))));
    const worth = upTo(tokens).map((key) => {
      const below = rows.filter((row, q) => q >= key && row[key]! < 1 / (q + 1)).length;
      const received = sum(rows.map((row) => row[key]!));
      return received / (received + 1) - below;
    });
    const newest = upTo(4).map((i) => tokens - 4 + i);
    assert.deepEqual([...kept[h]!], [...highest(worth.slice(0, -4), 12), ...newest]);
  });
});

test('the length of a head is a saw: it grows to target and burst, and falls to the target at once', async () => {
  const [target, burst, recent] = [16, 8, 4];
  const lengths: number[] = [];
  await walk(model, methods.scissorhands({ target, burst, recent, history: 16 }), {
    prompt: 20,
    steps: 60,
    chunk: 1,
    onStep: ({ layers, ids }) => {
      lengths.push(layers[1]!.tables[2]!.count);
      const kept = [...keptPositions(layers[1]!, 2)];
      assert.deepEqual(kept.slice(-recent), upTo(ids.length).slice(-recent));
    },
  });
  assert.equal(Math.max(...lengths), target + burst);
  lengths.forEach((length, i) => {
    const before = lengths[i - 1] ?? 0;
    assert.ok(length === before + 1 || (length === target && before === target + burst), `${before} became ${length}`);
  });
  assert.ok(lengths.filter((length, i) => length < (lengths[i - 1] ?? 0)).length >= 6);
});

test('a burst lets go of several entries in one step', async () => {
  const left: number[] = [];
  let now = 0;
  await walk(model, methods.scissorhands({ target: 16, burst: 8, recent: 4 }), {
    prompt: 60,
    steps: 0,
    chunk: 1,
    observer: () => ({
      event: ({ kind, layer: l, kvHead }) => {
        if (kind === 'leave' && l === 0 && kvHead === 0) now++;
      },
      layer() {},
      written() {},
    }),
    onStep: () => {
      if (now) left.push(now);
      now = 0;
    },
  });
  assert.ok(left.length >= 3);
  assert.deepEqual([...new Set(left)], [9]);
});
