/** Works when: attention sinks and a window of the newest stay, read at positions inside the cache; the sinks have a map. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { contiguous } from '@kvlab/ops';
import { lab, methods } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { keptAttention } from '../../engine/kept-attention.ts';
import { loadTiny, tinyIds, tinyPath } from '../../engine/tiny-model.ts';
import { apart, walk } from '../../engine/walk.ts';
import { sum, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

for (const [sinks, recent, chunk] of [
  [2, 3, 1],
  [2, 3, 7],
  [4, 9, 16],
  [1, 20, 5],
] as const)
  test(`${sinks} sinks and the newest ${recent} stay at every step, in chunks of ${chunk}`, async () => {
    await walk(model, methods.streamingLLM({ sinks, recent }), {
      prompt: 40,
      chunk,
      onStep: ({ layers, ids }) => {
        const from = Math.max(sinks, ids.length - recent);
        const expected = [
          ...upTo(Math.min(sinks, ids.length)),
          ...upTo(Math.max(0, ids.length - from)).map((i) => from + i),
        ];
        for (const layer of layers)
          for (const h of layer.tables.keys()) assert.deepEqual([...keptPositions(layer, h)], expected);
      },
    });
  });

test('of ten tokens 0, 1, 7, 8 and 9 stand at places 0 to 4: the newest is four from the first, not nine', () => {
  const position = Int32Array.from([0, 1, 7, 8]);
  const rank = Int32Array.from([0, 1, 2, 3]);
  const queries = { position: Int32Array.from([9]), readBefore: 4, visibleBefore: Int32Array.from([4]) };
  const placed = contiguous.place({ position, rank }, queries, false);
  assert.deepEqual([[...placed.keys], [...placed.queries]], [[0, 1, 2, 3], [4]]);
});

test('attention is that of float64 loops which turn every kept key to its place in the cache', async () => {
  const oracle = keptAttention(model);
  await walk(oracle.model, methods.streamingLLM({ sinks: 2, recent: 6 }), {
    steps: 20,
    observer: oracle.observe,
    onStep: oracle.settle,
  });
  assert.ok(oracle.compared > 10_000);
  assert.ok(oracle.outputApart < 1e-4, `${oracle.outputApart}`);
});

test('places in the cache and places in the text give different logits as soon as something has left', async () => {
  const settings = { sinks: 2, recent: 6 };
  const [close, wide] = [
    await walk(model, methods.streamingLLM(settings)),
    await walk(model, methods.streamingLLM({ ...settings, positions: 'absolute' })),
  ];
  assert.ok(apart(close.logits, wide.logits) > 1e-2);
  const short = { prompt: 6, steps: 2 };
  const before = await Promise.all([
    walk(model, methods.streamingLLM(settings), short),
    walk(model, methods.streamingLLM({ ...settings, positions: 'absolute' }), short),
  ]);
  assert.ok(apart(before[0].logits, before[1].logits) < 1e-4);
});

test('a text three times the context is read, since no angle exceeds what the cache holds', async () => {
  const small = { ...model, config: { ...model.config, context: 48 } };
  const { sequence, logits } = await walk(small, methods.streamingLLM({ sinks: 4, recent: 28 }), {
    prompt: 100,
    steps: 50,
  });
  assert.equal(sequence.ids.length, 150);
  assert.ok(logits.every((row) => row.every(Number.isFinite)));
  await assert.rejects(
    walk(small, methods.streamingLLM({ positions: 'absolute' }), { prompt: 100 }),
    /more than its context of 48/,
  );
});

test('the map of sinks shows the attention that each head gives to the first four positions', async () => {
  const tiny = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  const heads = upTo(2).flatMap((layer) => upTo(tiny.config.queryHeads).map((queryHead) => ({ layer, queryHead })));
  const run = await lab.generate(tiny, Uint32Array.from(tinyIds.slice(0, 40)), {
    method: methods.streamingLLM({ sinks: 4, recent: 12 }),
    maxTokens: 8,
    record: heads,
  });
  const table = run.table('attention');
  const column = (name: string) => Array.from(table.array(name) as ArrayLike<number>);
  const [layers, queryHeads, masses] = [column('layer'), column('query_head'), column('sink_mass')];
  for (const { layer, queryHead } of heads) {
    const map = masses.filter((_, i) => layers[i] === layer && queryHeads[i] === queryHead);
    const rows = run.attentionRows(layer, queryHead).slice(39);
    assert.equal(map.length, rows.length);
    map.forEach((mass, i) => {
      assert.ok(Math.abs(mass - sum(rows[i]!.slice(0, 4))) < 1e-5, `layer ${layer}, head ${queryHead}`);
    });
  }
  assert.ok(Math.max(...masses) > 0.5, 'a head of the fixture rests on the first positions');
  await tiny.release();
});
