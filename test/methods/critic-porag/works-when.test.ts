/** Works when: attention, entropy and gradient of an entry are brought to one scale and mixed, and the lowest leave. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accumulatedAttention, isContentWord, lab, method, methods, outputGradient, rowEntropy, tensor } from 'kvlab';
import { keptPositions } from '../../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { forkSequence, type Sequence } from '../../../kernel/src/engine/run/sequence.ts';
import type { LayerView } from '../../../kernel/src/engine/run/step-observer.ts';
import { loadTiny, tinyIds, tinyPath } from '../../engine/tiny-model.ts';
import { goOn, walk } from '../../engine/walk.ts';
import { attentionOf, groupOf, highest, mean, randomLayer, sum, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const scaled = (list: readonly number[]): number[] => {
  const [low, high] = [Math.min(...list), Math.max(...list)];
  return list.map((v) => (high > low ? (v - low) / (high - low) : 0));
};

test('without a model: three scores of each head from 0 to 1, mixed by weight, and the best entries stay', async () => {
  const tokens = 14;
  const layer = randomLayer({ tokens, size: 4 });
  const weights = { attention: 0.5, entropy: 0.3, gradient: 0.2 };
  const { kept, scores } = await lab.apply(methods.criticPorag({ weights, entries: 6 }), layer);
  layer.keys.forEach((_, h) => {
    const rows = groupOf(layer, h).map((head) => attentionOf(layer, head));
    const attention = upTo(tokens).map((key) => sum(rows.flatMap((of) => of.map((row) => row[key]!))));
    const entropyOf = (row: readonly number[], seen: number) =>
      -sum(row.map((p) => (p > 0 ? p * Math.log(p) : 0))) / Math.log(Math.max(2, seen));
    const entropy = upTo(tokens).map((t) => mean(rows.map((of) => entropyOf(of[t]!, t + 1))));
    const gradient = gradientOf(layer, h, rows);
    const mixed = upTo(tokens).map(
      (t) => 0.5 * scaled(attention)[t]! + 0.3 * scaled(entropy)[t]! + 0.2 * scaled(gradient)[t]!,
    );
    mixed.forEach((value, t) => {
      assert.ok(Math.abs(scores[h]![t]! - value) < 1e-4, `${scores[h]![t]} is not ${value}`);
    });
    assert.deepEqual([...kept[h]!], highest(mixed, 6));
  });
});

/** By finite differences: how much the squared change of each query's output moves with every key and value of a head. */
function gradientOf(layer: ReturnType<typeof randomLayer>, kvHead: number, rows: number[][][]): number[] {
  const [keys, values] = [layer.keys[kvHead]!, layer.values[kvHead]!];
  const [T, D] = [keys.length, keys[0]!.length];
  const outputs = rows.map((of) => of.map((row) => upTo(D).map((d) => sum(row.map((p, t) => p * values[t]![d]!)))));
  return upTo(T).map((t) =>
    sum(
      groupOf(layer, kvHead).map((head, member) => {
        const lossOf = (part: 'keys' | 'values', d: number, step: number): number => {
          const moved = { keys, values, [part]: { ...{ keys, values }[part] } } as Record<
            'keys' | 'values',
            number[][]
          >;
          const changed = Array.from({ length: T }, (_, i) => [...{ keys, values }[part][i]!]);
          changed[t]![d]! += step;
          moved[part] = changed;
          return sum(
            upTo(T).map((q) => {
              const logits = upTo(q + 1).map((i) => sum(upTo(D).map((c) => layer.queries[head]![q]![c]! * moved.keys[i]![c]!)) / Math.sqrt(D)); // biome-ignore format: one line
              const top = Math.max(...logits);
              const shares = logits.map((v) => Math.exp(v - top));
              const all = sum(shares);
              const before = q === 0 ? new Array<number>(D).fill(0) : outputs[member]![q - 1]!;
              return sum(upTo(D).map((c) => (sum(shares.map((p, i) => (p / all) * moved.values[i]![c]!)) - before[c]!) ** 2)) / D; // biome-ignore format: one line
            }),
          );
        };
        const slope = (part: 'keys' | 'values', d: number) =>
          Math.abs(lossOf(part, d, 1e-4) - lossOf(part, d, -1e-4)) / 2e-4;
        return sum(upTo(D).flatMap((d) => [slope('keys', d), slope('values', d)]));
      }),
    ),
  );
}

test('in a run each part is what its reference gives for what the layer computed, and the output is remembered', async () => {
  const views: LayerView[] = [];
  const keep = (view: LayerView): void => {
    views[view.layer] = { ...view, attention: view.attention.map((block) => block.slice()) };
  };
  const own = methods.criticPorag({ entries: 20 });
  const { sequence } = await walk(model, own, {
    chunk: 26,
    steps: 0,
    observer: () => ({ event() {}, written() {}, layer: keep }),
  });
  const { queryHeads: Hq, kvHeads: Hkv, headSize: D, group: G } = model.config;
  const now = { step: 0, seen: 26, promptLength: 26, layer: 0, seed: 0, sizes: { Hq, Hkv, G, D } };
  for (const [l, view] of views.entries()) {
    const attention = tensor([Hq, 26, 26], view.attention[0]!);
    const outputs = tensor([Hq, 26, D], view.output);
    const state = { score: tensor([Hkv, 26]), previous: tensor([Hq, D]) };
    const queries = tensor([Hq, 26, D], turned(sequence, view.queries, 26));
    const values = tensor([Hkv, 26, D], view.values);
    const parts = {
      attention: accumulatedAttention.definition.reference({ attention, ...state }, { decay: 1, group: 'sum' }, now),
      entropy: rowEntropy.definition.reference({ attention }, {}, now),
      gradient: outputGradient.definition.reference({ attention, queries, outputs, values, ...state }, {}, now),
    };
    for (const [part, { score }] of Object.entries(parts))
      sequence.layers[l]!.tables.forEach((table, h) => {
        const column = table.columns.get(`${part}.score`)!;
        const largest = Math.max(...upTo(26).map((t) => Math.abs(score!.get(h, t))));
        for (let e = 0; e < table.count; e++) {
          const expected = score!.get(h, table.position[e]!);
          assert.ok(Math.abs(column[e]! - expected) < 1e-4 * largest, `${part}: ${column[e]} is not ${expected}`);
        }
      });
    const last = parts.gradient['previous']!.data;
    for (const [i, v] of sequence.registers[l]!.get('gradient.previous')!.entries()) assert.ok(Math.abs(v - last[i]!) < 1e-5); // biome-ignore format: one line
  }
});

/** Raw queries with the model's factor, turned to their positions and without it. */
function turned({ model: { config }, rotary }: Sequence, queries: Float32Array, T: number): Float64Array {
  const D = config.headSize;
  const out = new Float64Array(queries.length);
  for (let row = 0; row < queries.length / D; row++) {
    const { cos, sin } = rotary.rows(row % T, (row % T) + 1);
    for (let i = 0; i < D / 2; i++) {
      const [a, b] = [queries[row * D + 2 * i]!, queries[row * D + 2 * i + 1]!];
      out[row * D + 2 * i] = (a * cos[i]! - b * sin[i]!) * Math.sqrt(D);
      out[row * D + 2 * i + 1] = (a * sin[i]! + b * cos[i]!) * Math.sqrt(D);
    }
  }
  return out;
}

test('with attention alone the entries that stay are the heavy hitters', async () => {
  const weights = { attention: 1, entropy: 0, gradient: 0 };
  const critic = await walk(model, methods.criticPorag({ weights, entries: 12 }), { chunk: 26 });
  const heavy = await walk(model, methods.h2o({ heavy: 12, recent: 0 }), { chunk: 26 });
  const kept = ({ layers }: Sequence) =>
    layers.map((layer) => layer.tables.map((_, h) => [...keptPositions(layer, h)]));
  assert.deepEqual(kept(critic.sequence), kept(heavy.sequence));
});

test('a share of all tokens seen stays, more must go under pressure, and never fewer than the least', async () => {
  const counts = async (options: Parameters<typeof methods.criticPorag>[0]) => {
    const { sequence } = await walk(model, methods.criticPorag(options), { prompt: 60, chunk: 60, steps: 10 });
    return sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count));
  };
  assert.deepEqual([...new Set(await counts({ ratio: 0.3 }))], [49]);
  assert.deepEqual([...new Set(await counts({ ratio: 0.9 }))], [16]);
  assert.ok(Math.max(...(await counts({ ratio: 0.3, gain: 4 }))) < 49);
});

test('a fork has registers of its own', async () => {
  const trunk = await walk(model, methods.criticPorag({ entries: 20 }), { steps: 2 });
  const before = trunk.sequence.registers[0]!.get('gradient.previous')!.slice();
  await goOn({ sequence: forkSequence(trunk.sequence), logits: [] }, { steps: 2 });
  assert.deepEqual(trunk.sequence.registers[0]!.get('gradient.previous'), before);
});

test('when to retrieve is told for each token of the answer, and telling it changes nothing', async () => {
  const tiny = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  const prompt = tinyIds.slice(0, 40);
  const run = await lab.generate(tiny, prompt, { method: methods.criticPorag({ keep: 0.5 }), maxTokens: 8, seed: 2 });
  const told = run.tokenMeasures.get('retrieval-timing')!;
  assert.equal(told.length, 7);
  assert.ok(told.every((v) => v >= 0 && v <= 0.8));
  run.ids.slice(0, 7).forEach((id, i) => {
    assert.equal(told[i]! > 0, isContentWord(tiny.decode([id])), `token ${JSON.stringify(tiny.decode([id]))}`);
  });
  const { declaration } = methods.criticPorag({ keep: 0.5 });
  const unwatched = method('unwatched', {}, () => ({ ...declaration, watch: [] }), { paper: '' })();
  const alone = await lab.generate(tiny, prompt, { method: unwatched, maxTokens: 8, seed: 2 });
  assert.deepEqual(alone.ids, run.ids);
  assert.equal(alone.tokenMeasures.size, 0);
  await tiny.release();
});
