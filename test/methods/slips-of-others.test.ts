/** Slips found in the code of others, each as the behaviour that shows it is not made here. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hashedUniform, top } from '@kvlab/ops';
import { lab, methods, ops } from 'kvlab';
import { rotaryTable, rotateRow } from '../../kernel/src/engine/attend/rotary.ts';
import { keptPositions } from '../../kernel/src/engine/cache/layer.ts';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { createSequence, type Sequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedPrompt, feedToken } from '../../kernel/src/engine/run/steps.ts';
import { keptAttention } from '../engine/kept-attention.ts';
import { shuffleSlots } from '../engine/laws/slots.ts';
import { raggedHeavy } from '../engine/settings.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';
import { sameBits, walk } from '../engine/walk.ts';
import { attentionOf, groupOf, highest, productsOf, randomLayer, softmax, sum, upTo } from './by-hand.ts';
import { normal } from './coded.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const keptOf = ({ layers }: Sequence) =>
  layers.flatMap((layer) => layer.tables.map((_, h) => [...keptPositions(layer, h)]));
const eight = (row: number[]) => [[[...row, ...new Array<number>(8 - row.length).fill(row[0]!)]]];

describe('quantizers', () => {
  const quant = async (row: number[], bits: number, by: 'graph' | 'reference') => {
    const { restored } = await ops.quant({ x: eight(row) }, { bits, group: 8, scales: 'exact' }, { by });
    return Array.from(restored.data)
      .slice(0, row.length)
      .map((v) => Math.round(v * 1e4) / 1e4);
  };
  for (const by of ['graph', 'reference'] as const) {
    test(`levels as bits squared minus one (RotateKV, GEAR): 3 bits have 7 steps and 8 bits 255, by ${by}`, async () => {
      assert.deepEqual(await quant([0, 7, 3], 3, by), [0, 7, 3]);
      assert.deepEqual(await quant([0, 255, 254, 1], 8, by), [0, 255, 254, 1]);
    });

    test(`a constant group divides by zero (KIVI, RotateKV): it comes back as it was, by ${by}`, async () => {
      for (const bits of [1, 2, 4, 8]) assert.deepEqual(await quant([3, 3, 3], bits, by), [3, 3, 3]);
      assert.deepEqual(await quant([0, 0], 2, by), [0, 0]);
    });

    test(`halves rounded up (Math.round): they go to the even code, by ${by}`, async () => {
      // Steps of 2: 1 lies between codes 0 and 1, 5 between 2 and 3.
      assert.deepEqual(await quant([0, 1, 6], 2, by), [0, 0, 6]);
      assert.deepEqual(await quant([0, 5, 6], 2, by), [0, 4, 6]);
    });
  }
});

describe('scores', () => {
  test('entropy shifted by one (SirLLM): a token carries its own surprise, not that of the one before', async () => {
    const sequence = createSequence(model, methods.sirLLM());
    const ids = tinyIds.slice(0, 40);
    const rows: Float32Array[] = [];
    const V = model.config.vocabulary;
    await feedPrompt(sequence, ids, {
      chunk: 8,
      onRows: (logits) => {
        for (let from = 0; from < logits.length; from += V) rows.push(logits.slice(from, from + V));
      },
    });
    const surprise = (row: Float32Array, id: number) => -Math.log(softmax([...row])[id]!);
    const own = upTo(39).map((i) => surprise(rows[i]!, ids[i + 1]!));
    const before = upTo(39).map((i) => surprise(rows[i]!, ids[i]!));
    const apart = (other: number[]) => Math.max(...other.map((v, i) => Math.abs(v - sequence.nll[i + 1]!)));
    assert.ok(apart(own) < 1e-3, `${apart(own)}`);
    assert.ok(apart(before) > 1, 'the slip would show');
  });

  test('mask over the last window only (H2O in KVCache-Factory): a key receives nothing from queries before it', async () => {
    const tokens = 40;
    const layer = randomLayer({ tokens, seed: 6 });
    // Early queries would look at the keys of the middle, if they could.
    for (const rows of layer.queries) for (const t of upTo(8)) rows[t] = layer.keys[0]![20 + t]!.map((v) => 3 * v);
    const slip = (kvHead: number) => {
      const window = 8;
      const rows = groupOf(layer, kvHead).flatMap((head) =>
        upTo(tokens).map((q) => {
          const all = productsOf({ ...layer, queries: layer.queries.map((r) => r.map(() => r[q]!)) }, head, tokens - 1);
          return softmax(all.map((v, key) => (q >= tokens - window && key > q ? -1e30 : v)));
        }),
      );
      return upTo(tokens).map((key) => sum(rows.map((row) => row[key]!)));
    };
    const right = (kvHead: number) => {
      const rows = groupOf(layer, kvHead).flatMap((head) => attentionOf(layer, head));
      return upTo(tokens).map((key) => sum(rows.map((row) => row[key]!)));
    };
    const { kept } = await lab.apply(methods.h2o({ heavy: 8, recent: 4 }), layer);
    const keptBy = (scores: number[]) => [...highest(scores.slice(0, -4), 8), ...upTo(4).map((i) => tokens - 4 + i)];
    assert.deepEqual([...kept[0]!], keptBy(right(0)));
    assert.notDeepEqual([...kept[0]!], keptBy(slip(0)), 'the slip would show');
  });

  test('a mask of -1e-5 (RazorAttention): no query gives anything to a later key', async () => {
    let looked = 0;
    await feedPrompt(createSequence(model, methods.full()), tinyIds.slice(0, 30), {
      chunk: 30,
      observer: {
        event() {},
        written() {},
        layer({ attention }) {
          for (const [i, share] of attention[0]!.entries()) {
            const [query, key] = [Math.floor(i / 30) % 30, i % 30];
            if (key <= query) continue;
            assert.equal(share, 0);
            looked++;
          }
        },
      },
    });
    assert.equal(looked, model.config.layers * model.config.queryHeads * ((30 * 29) / 2));
  });

  test('h mod Hk (TokenSelect): query heads 0 and 1 of six vote for key head 0 of three', async () => {
    const layer = randomLayer({ tokens: 30, seed: 8 });
    // Key head 1 is the only one whose keys the queries of heads 2 and 3 match.
    const wanted = 11;
    for (const head of [2, 3]) layer.queries[head]!.fill(layer.keys[1]![wanted]!.map((v) => 4 * v));
    const { kept } = await lab.apply(methods.snapKV({ entries: 7, window: 6, pool: 'none' }), layer);
    assert.equal(kept[1]![0], wanted);
  });

  test('pad keys that take mass (NonCausalAttn in kvpress): heads of other lengths score as if they were alone', async () => {
    const oracle = keptAttention(model);
    await walk(oracle.model, raggedHeavy({ first: 2, second: 12, third: 100 }), {
      steps: 20,
      observer: oracle.observe,
      onStep: oracle.settle,
    });
    assert.ok(oracle.scoreApart < 1e-4 && oracle.outputApart < 1e-4, `${oracle.scoreApart}, ${oracle.outputApart}`);
  });

  test('query heads that each keep their own copy of the keys (SnapKV): a group holds its entries once', async () => {
    const layer = randomLayer({ tokens: 30, queryHeads: 6, kvHeads: 2, size: 8 });
    const { parts, kept } = await lab.apply(methods.snapKV({ entries: 12, window: 4 }), layer);
    assert.deepEqual(
      kept.map((positions) => positions.length),
      [12, 12],
    );
    assert.equal(parts.payloadKeys, 2 * 12 * 8 * 4);
  });
});

describe('selection', () => {
  test('kept sets in the order of scores (kvpress, SpecKV): every method gives them in the order of the text', async () => {
    const layer = randomLayer({ tokens: 48 });
    for (const make of [
      'h2o',
      'keyNorm',
      'observedAttention',
      'tova',
      'keyDiff',
      'cur',
      'leverageScore',
      'random',
    ] as const) {
      const { kept } = await lab.apply(methods[make]({ entries: 12 }), layer);
      for (const positions of kept)
        assert.deepEqual(
          [...positions],
          [...positions].sort((a, b) => a - b),
          make,
        );
    }
    for (const make of ['snapKV', 'adaKV', 'pyramidKV', 'specKV'] as const) {
      const { kept } = await lab.apply(methods[make]({ entries: 12, window: 4 }), layer);
      for (const positions of kept)
        assert.deepEqual(
          [...positions],
          [...positions].sort((a, b) => a - b),
          make,
        );
    }
  });

  for (const name of ['lagKV', 'cur'] as const)
    test(`order-based scores of unsorted rows (kvpress while decoding): ${name} selects the same wherever rows lie`, async () => {
      const when = ['prompt', { every: 4 }] as const;
      const method =
        name === 'lagKV' ? methods.lagKV({ entries: 20, lag: 4, when }) : methods.cur({ entries: 20, local: 4, when });
      let seed = 1;
      const shuffle = ({ layers }: Sequence) => {
        for (const layer of layers) shuffleSlots(layer, seed++);
      };
      const tidy = await walk(model, method, { prompt: 40, steps: 16 });
      const mixed = await walk(model, method, { prompt: 40, steps: 16, onStep: shuffle });
      assert.deepEqual(keptOf(mixed.sequence), keptOf(tidy.sequence));
    });

  test('an edge of the sinks that is off by one (SentenceKV): s sinks are positions 0 to s - 1', async () => {
    const layer = randomLayer({ tokens: 20 });
    for (const sinks of [1, 2, 3, 4, 5]) {
      const { kept } = await lab.apply(methods.streamingLLM({ sinks, recent: 3 }), layer);
      assert.deepEqual([...kept[0]!], [...upTo(sinks), 17, 18, 19]);
    }
    const { kept } = await lab.apply(methods.streamingLLM({ keep: 0.5, profile: 'kvpress' }), layer);
    assert.deepEqual([...kept[0]!], [0, 1, 2, 3, 14, 15, 16, 17, 18, 19]);
  });

  test('the slot outside the window that can never be chosen (Keyformer): it competes as soon as it leaves the window', async () => {
    const [chosen, left] = [new Set<number>(), new Set<number>()];
    const method = methods.keyformer({ entries: 20, noise: 0 });
    const zones = ['recent', 'heavy'].map((zone) => method.zones.indexOf(zone));
    await walk(model, method, {
      steps: 40,
      observer: (sequence) => ({
        event: ({ kind, position, from, to }) => {
          if (position < sequence.promptLength || from !== zones[0]) return;
          if (kind === 'move' && to === zones[1]) chosen.add(position);
          if (kind === 'leave') left.add(position);
        },
        layer() {},
        written() {},
      }),
    });
    assert.ok(chosen.size > 0 && left.size > 0, `${chosen.size} were chosen, ${left.size} left`);
  });

  test('ties that drop the sinks (LagKV in kvpress): where fewer stay than are protected, the first do', async () => {
    const { kept } = await lab.apply(methods.lagKV({ entries: 6, lag: 8 }), randomLayer({ tokens: 48 }));
    for (const positions of kept) assert.deepEqual([...positions].slice(0, 4), [0, 1, 2, 3]);
  });

  test('a prompt shorter than the observation window (kvpress asserts): everything stays', async () => {
    const layer = randomLayer({ tokens: 10 });
    for (const make of ['snapKV', 'adaKV', 'pyramidKV', 'chunkKV'] as const) {
      const { kept } = await lab.apply(methods[make]({ entries: 64, window: 32 }), layer);
      assert.ok(
        kept.every((positions) => positions.length === 10),
        make,
      );
    }
    const { kept } = await lab.apply(methods.lagKV({ entries: 64 }), layer);
    assert.ok(kept.every((positions) => positions.length === 10));
  });

  test('a head that is left with nothing (kvpress 0.5.4 at 10 tokens): the smallest share keeps one entry', async () => {
    const { kept } = await lab.apply(methods.keyNorm({ keep: 0.01 }), randomLayer({ tokens: 10 }));
    assert.deepEqual(
      kept.map((positions) => positions.length),
      [1, 1, 1],
    );
  });
});

describe('runs', () => {
  test('state that leaks from one run into the next (CAM in kvpress): a method that ran before starts anew', async () => {
    for (const method of [
      methods.h2o({ entries: 12 }),
      methods.keyformer({ entries: 12 }),
      methods.scissorhands({ target: 12, burst: 4 }),
    ]) {
      const once = await walk(model, method);
      const again = await walk(model, method);
      assert.ok(sameBits(once.logits, again.logits), method.name);
    }
  });

  test('kept keys stored where they were read, without closing up (StreamingLLM in kvpress): by default places close up', async () => {
    const { declaration } = methods.streamingLLM();
    assert.equal(declaration.attend.ruleOf('recent').name, 'contiguous');
    const long = createSequence(model, methods.streamingLLM({ sinks: 2, recent: 6 }));
    let logits = await feedPrompt(long, tinyIds.slice(0, 30));
    for (const id of tinyIds.slice(30, 40)) logits = await feedToken(long, id);
    assert.ok(logits.every(Number.isFinite));
    assert.deepEqual(keptOf(long)[0], [0, 1, 34, 35, 36, 37, 38, 39]);
  });
});

describe('what is kept and where it is looked at', () => {
  test('one argsort for ranks (Elastic Cache): the entries with the highest scores stay, not those at their ranks', () => {
    const scores = [5, 1, 4, 2, 3];
    const taken = new Uint8Array(5);
    const open = new Uint8Array(5).fill(1);
    const candidates = { count: 5, open, position: Int32Array.from(upTo(5)), score: Float32Array.from(scores), held: new Uint8Array(5), seen: 5 }; // biome-ignore format: one line
    top(3).choose(candidates, 3, taken);
    assert.deepEqual(
      upTo(5).filter((e) => taken[e]),
      [0, 2, 4],
    );
    // Sorting once gives the entry of each rank; read as the rank of each entry, it keeps others, and one too few.
    const order = upTo(5).sort((a, b) => scores[a]! - scores[b]!);
    assert.deepEqual(
      upTo(5).filter((e) => order[e]! > 2),
      [1, 2],
    );
  });

  test('channels permuted before rotary (block floating point): here they are put in order behind it, and products stay', async () => {
    assert.notEqual(methods.bfpOutliers().encodingOf('body', 'keys').stores, 'unrotated');
    const D = 64;
    const rotary = rotaryTable(model.config.ropeFrequencies);
    const [query, key] = [1, 2].map((seed) => normal(D, seed)) as [Float32Array, Float32Array];
    const order = upTo(D).sort((a, b) => hashedUniform(7, a, 0, 0) - hashedUniform(7, b, 0, 0));
    const put = (row: Float32Array) => Float32Array.from(order, (from) => row[from]!);
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => sum(upTo(D).map((d) => a[d]! * b[d]!));
    const product = dot(rotateRow(query, 40, rotary), rotateRow(key, 9, rotary));
    const { reordered } = await ops.reorder({ x: [[[...rotateRow(key, 9, rotary)]]], order: [order] });
    const behind = dot(put(rotateRow(query, 40, rotary)), reordered.data);
    const slip = dot(rotateRow(put(query), 40, rotary), rotateRow(put(key), 9, rotary));
    assert.ok(Math.abs(behind - product) < 1e-4, `${behind} for ${product}`);
    assert.ok(Math.abs(slip - product) > 1, 'the slip would show');
  });

  test('far keys rotated instead of queries (A2ATS): queries look from the distance at keys that stay where they are', () => {
    const { ruleOf } = methods.infLLM({ local: 24, far: 24 }).declaration.attend;
    const [position, rank] = [Int32Array.of(3, 70), Int32Array.of(0, 1)];
    const news = { position: Int32Array.of(100), readBefore: 2, visibleBefore: Int32Array.of(2) };
    const at = ruleOf('body').place({ position, rank }, news, false);
    assert.deepEqual([[...at.keys], [...at.queries]], [[0, 0], [24]]);
    const rotary = rotaryTable(model.config.ropeFrequencies);
    const [query, key] = [3, 4].map((seed) => normal(64, seed)) as [Float32Array, Float32Array];
    const dot = (a: Float32Array, b: Float32Array) => sum(upTo(64).map((d) => a[d]! * b[d]!));
    const ours = dot(rotateRow(query, at.queries[0]!, rotary), rotateRow(key, at.keys[0]!, rotary));
    const inPlace = dot(rotateRow(query, 100, rotary), rotateRow(key, 76, rotary));
    assert.ok(Math.abs(ours - inPlace) < 1e-4, 'as a key that truly is 24 tokens away');
    const slip = dot(query, rotateRow(key, 24, rotary));
    assert.ok(Math.abs(slip - inPlace) > 1, 'the slip would show: a key 24 tokens ahead');
  });

  test('a mask behind the softmax (RetrievalAttention): empty slots take nothing, and a row adds up to one', async () => {
    let [empty, leastOfSlip] = [0, 1];
    await walk(model, raggedHeavy({ first: 5, second: 6, third: 7 }), {
      observer: () => ({
        wants: { products: true },
        event() {},
        written() {},
        layer({ attention, products, form, position }) {
          for (const [b, block] of attention.entries()) {
            const rows = (form.apart ? 1 : form.kvHeads) * form.group * position.length;
            const columns = block.length / rows;
            for (const r of upTo(rows)) {
              const row = [...block.subarray(r * columns, (r + 1) * columns)];
              const logits = [...products![b]!.subarray(r * columns, (r + 1) * columns)];
              assert.ok(Math.abs(sum(row) - 1) < 1e-5, `${sum(row)}`);
              const hidden = upTo(columns).filter((c) => logits[c]! < -1e29);
              assert.ok(hidden.every((c) => row[c] === 0));
              // A wiped row of keys has product zero with every query: after the softmax its share is gone for good.
              const late = softmax(logits.map((v) => (v < -1e29 ? 0 : v)));
              leastOfSlip = Math.min(leastOfSlip, 1 - sum(hidden.map((c) => late[c]!)));
              empty += hidden.length;
            }
          }
        },
      }),
    });
    assert.ok(empty > 0 && leastOfSlip < 0.9, `${empty} hidden, ${leastOfSlip} left`);
  });

  test('outliers of keys counted from heads and channels (GEAR): a channel keeps as many of its tokens as was asked', async () => {
    const [H, T, D, count] = [3, 16, 64, 2];
    const x = { dims: [H, T, D], data: normal(H * T * D, 11) };
    const { outliers } = await ops.exceptOutliers({ x }, { per: 'channel', count, block: T });
    for (const h of upTo(H))
      for (const d of upTo(D)) {
        const own = upTo(T).filter((t) => outliers.data[(h * T + t) * D + d] !== 0);
        assert.equal(own.length, 2 * count);
      }
    const share = (2 * count) / T;
    assert.ok(Math.trunc((H * D * share) / 2) >= T / 2, 'the slip would keep every number exact');
  });
});
