/** Works when: heavy hitters by accumulated attention stay beside a window of the newest, chosen greedily one by one, and the
 *  curve of their mass can be drawn. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lab, methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { decodeFrame } from '../../../kernel/src/engine/record/frame.ts';
import { shareCurve } from '../../../lab-extension/src/panels/heavy-hitters/encode.ts';
import { keptAttention } from '../../engine/kept-attention.ts';
import { loadTiny, tinyIds, tinyPath } from '../../engine/tiny-model.ts';
import { walk } from '../../engine/walk.ts';
import { attentionOf, groupOf, highest, randomLayer, sum, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const tokens = 40;
const layer = randomLayer({ tokens });
const sums = (kvHead: number): number[] => {
  const rows = groupOf(layer, kvHead).flatMap((head) => attentionOf(layer, head));
  return upTo(tokens).map((key) => sum(rows.map((row) => row[key]!)));
};

test('a head keeps the newest, and of the others those that a double loop finds heaviest', async () => {
  const { kept, scores } = await lab.apply(methods.h2o({ heavy: 7, recent: 5 }), layer);
  layer.keys.forEach((_, h) => {
    const received = sums(h);
    received.forEach((value, key) => {
      assert.ok(Math.abs(scores[h]![key]! - value) < 1e-4 * value, `key ${key} of head ${h}`);
    });
    const newest = upTo(5).map((i) => tokens - 5 + i);
    assert.deepEqual([...kept[h]!], [...highest(received.slice(0, -5), 7), ...newest]);
  });
});

test('what all keys received sums to the number of queries', async () => {
  const { scores } = await lab.apply(methods.h2o({ keep: 1 }), layer);
  const group = layer.queries.length / layer.keys.length;
  for (const list of scores) assert.ok(Math.abs(sum(list) - group * tokens) < 1e-2);
});

test('each new token pushes out one entry, the lightest of those outside the window', async () => {
  const oracle = keptAttention(model);
  const [heavy, recent] = [6, 4];
  let left: { layer: number; kvHead: number; position: number; score: number }[] = [];
  let steps = 0;
  await walk(oracle.model, methods.h2o({ heavy, recent }), {
    chunk: 1,
    steps: 30,
    observer: (sequence) => {
      const watched = oracle.observe(sequence);
      return {
        ...watched,
        event: (e) => {
          if (e.kind === 'leave') left.push(e);
        },
      };
    },
    onStep: (sequence) => {
      oracle.settle(sequence);
      sequence.layers.forEach(({ tables }, l) => {
        tables.forEach((table, h) => {
          const gone = left.filter((e) => e.layer === l && e.kvHead === h);
          assert.ok(gone.length <= 1, 'one at a time');
          const window = sequence.ids.length - recent;
          for (const { score, position } of gone) {
            assert.ok(position < window);
            for (let e = 0; e < table.count; e++)
              if (table.position[e]! < window) assert.ok(table.columns.get('score')![e]! >= score);
            steps++;
          }
        });
      });
      left = [];
    },
  });
  assert.ok(steps > 200, `${steps} evictions were looked at`);
  assert.ok(oracle.scoreApart < 1e-4, `sums are ${oracle.scoreApart} apart from float64 loops over what is kept`);
});

test('the curve of mass that is drawn stands on the same sums, and the heaviest fifth holds more than the newest', async () => {
  const tiny = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  const heads = upTo(tiny.config.queryHeads);
  const record = heads.map((queryHead) => ({ layer: 1, queryHead }));
  const run = await lab.generate(tiny, Uint32Array.from(tinyIds.slice(0, 120)), {
    method: methods.full(),
    maxTokens: 1,
    record,
  });
  const { header, buffer } = run.snapshot();
  const scores = decodeFrame(header, buffer)['heavy.score']!.data as Float32Array;
  const rows = heads.slice(0, tiny.config.group).flatMap((queryHead) => run.attentionRows(1, queryHead));
  const length = rows.length / tiny.config.group;
  const received = upTo(length).map((key) => sum(rows.map((row) => row[key] ?? 0)));
  const row = tiny.config.kvHeads; // the first key head of layer 1
  received.forEach((mass, key) => {
    assert.ok(Math.abs(scores[row * length + key]! - mass) < 1e-3, `token ${key}`);
  });
  const drawing = { rule: 'sum', step: 0, tokens: length, scores, rows: 2 * row, least: 0, most: 1 } as const;
  const curve = shareCurve(drawing, row);
  const falling = [...received].sort((a, b) => b - a);
  curve.forEach((share, i) => {
    assert.ok(Math.abs(share - sum(falling.slice(0, i + 1)) / sum(received)) < 1e-4);
  });
  const fifth = Math.ceil(length / 5);
  assert.ok(curve[fifth - 1]! > sum(received.slice(-fifth)) / sum(received));
  await tiny.release();
});

test('half the budget is heavy, half is recent', async () => {
  const { sequence } = await walk(model, methods.h2o({ entries: 12 }), { prompt: 80, steps: 0 });
  const kept = [...keptPositions(sequence.layers[1]!, 1)];
  assert.equal(kept.length, 12);
  assert.deepEqual(kept.slice(-6), [74, 75, 76, 77, 78, 79]);
});
