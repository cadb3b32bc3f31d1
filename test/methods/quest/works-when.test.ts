/** Works when: pages of keys are judged by an upper bound of their products, the best are read, and the rest stays unread. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { keyDot, lab, type Method, meanKey, meanQuery, methods, onDevice, ops, pagesBy } from 'kvlab';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { decodeFrame } from '../../../kernel/src/engine/record/frame.ts';
import { forkSequence, type Sequence } from '../../../kernel/src/engine/run/sequence.ts';
import type { LayerView } from '../../../kernel/src/engine/run/step-observer.ts';
import { feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { sameBits, walk } from '../../engine/walk.ts';
import { dot, groupOf, highest, mean, randomLayer, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const page = 4;
const tokens = 42;
const layer = randomLayer({ tokens });
/** Whole pages of a head's rows. */
const pagesOf = (rows: readonly number[][]) =>
  upTo(Math.floor(rows.length / page)).map((p) => rows.slice(p * page, (p + 1) * page));
/** The largest product that the bounds of a page allow, written as in the paper: both bounds are tried in each channel. */
const boundOf = (query: readonly number[], keys: readonly number[][]) =>
  query
    .map((q, d) => Math.max(q * Math.max(...keys.map((k) => k[d]!)), q * Math.min(...keys.map((k) => k[d]!))))
    .reduce((a, b) => a + b, 0);

test('the page of keys (1, -2) and (-1, 3) is worth 5 to the query (2, 1), more than either product', async () => {
  const { low, high } = await ops.keyBounds({ keys: [[[1, -2], [-1, 3]]] }); // biome-ignore format: one row a key
  const page = { low: [low.toArray() as number[][]], high: [high.toArray() as number[][]] };
  const { score } = await ops.keyBound({ queries: [[[2, 1]]], ...page }, {}, { sizes: { Hq: 1, Hkv: 1, G: 1 } });
  assert.deepEqual(score.toArray(), [[5]]);
});

test('the bound of a page is no less than any product with its keys', () => {
  layer.keys.forEach((keys, h) => {
    for (const head of groupOf(layer, h))
      for (const query of layer.queries[head]!)
        for (const rows of pagesOf(keys)) {
          const bound = boundOf(query, rows);
          assert.ok(rows.every((key) => dot(query, key) <= bound + 1e-6));
        }
  });
});

test('the last query reads the pages with the highest bounds of its group that fit, and what is in no whole page', async () => {
  const { kept, read } = await lab.apply(methods.quest({ page, read: 14 }), layer);
  layer.keys.forEach((keys, h) => {
    const bounds = pagesOf(keys).map((rows) =>
      Math.max(...groupOf(layer, h).map((head) => boundOf(layer.queries[head]!.at(-1)!, rows))),
    );
    const best = highest(bounds, 3).flatMap((p) => upTo(page).map((i) => p * page + i));
    assert.deepEqual([...read[h]!], [...best, tokens - 2, tokens - 1]);
    assert.deepEqual([...kept[h]!], upTo(tokens));
  });
});

const views = (method: Method, prompt = 60) => {
  const seen: (Pick<LayerView, 'layer' | 'position'> & { entries: number[]; held: number[] })[] = [];
  const observer = () => ({
    event: () => assert.fail('an entry changed its zone or left'),
    written() {},
    layer({ layer, position, cache, whole }: LayerView) {
      const counts = ({ tables }: LayerView['cache']) => tables.map(({ count }) => count);
      seen.push({ layer, position, entries: counts(cache), held: counts(whole) });
    },
  });
  return walk(model, method, { prompt, chunk: 20, steps: 12, observer }).then((walked) => ({ ...walked, seen }));
};

test('the prompt and the first layers read everything, later layers no more than the budget, and nothing leaves', async () => {
  const { seen, sequence } = await views(methods.quest({ page, read: 17, exactLayers: 1 }));
  for (const { layer, position, entries, held } of seen) {
    assert.deepEqual(
      held,
      Array.from(held, () => position[0]),
    );
    if (position.length > 1 || layer < 1) assert.deepEqual(entries, held);
    else for (const n of entries) assert.ok(n <= 17 && n > 17 - page, `${n} entries in layer ${layer}`);
  }
  assert.ok(sequence.layers.every(({ tables }) => tables.every(({ count }) => count === 72)));
});

test('what is not fetched does not enter the runtime: it may be anything', async () => {
  const method = methods.quest({ page, read: 16, exactLayers: 0 });
  const { sequence } = await walk(model, method, { prompt: 60, steps: 0 });
  const unread: { layer: number; kvHead: number; entry: number }[] = [];
  const twin = forkSequence(sequence);
  const next = tinyIds[60]!;
  const plain = await feedToken(sequence, next, {
    observer: {
      event() {},
      written() {},
      layer({ layer, read, whole }) {
        whole.tables.forEach(({ count }, kvHead) => {
          const seen = new Set(read.reading.origin![kvHead]);
          for (const entry of upTo(count)) if (!seen.has(entry)) unread.push({ layer, kvHead, entry });
        });
      },
    },
  });
  assert.equal(unread.length, sequence.layers.length * sequence.layers[0]!.tables.length * 44);
  for (const { layer, kvHead, entry } of unread) spoil(twin, layer, kvHead, entry);
  assert.ok(sameBits([await feedToken(twin, next)], [plain]));
});

function spoil({ layers }: Sequence, layer: number, kvHead: number, entry: number): void {
  const { tables, stores } = layers[layer]!;
  for (const part of ['keys', 'values'] as const) {
    const { store, slot } = tables[kvHead]!;
    const { codes, headSize } = stores[part][store[part][entry]!]!;
    codes.get('rows')![kvHead]!.fill(Number.NaN, slot[part][entry]! * headSize, (slot[part][entry]! + 1) * headSize);
  }
}

test('at the same budget the bounds catch more of the attention than mean keys do', async () => {
  const options = { page, read: 16, exactLayers: 0 };
  const quest = methods.quest(options);
  const landmarks: Method = {
    ...quest,
    placeOf: () => onDevice({ summary: meanKey() }),
    fetchOf: () => pagesBy(keyDot(), { query: meanQuery(), read: 16, answerOnly: true }),
  };
  const mass = async (method: Method) => {
    const run = await lab.generate(model, tinyIds.slice(0, 120), { method, maxTokens: 40 });
    const { header, buffer } = run.snapshot();
    const shares = [...(decodeFrame(header, buffer)['fetch.mass']!.data as Float32Array)];
    const read = shares.slice(-36 * model.config.layers * model.config.queryHeads).filter((v) => !Number.isNaN(v));
    return mean(read);
  };
  const [bounds, means] = [await mass(quest), await mass(landmarks)];
  assert.ok(bounds > means, `${bounds} of the attention by bounds, ${means} by mean keys`);
});
