/** The baselines: each keeps what its rule says, computed a second time in plain loops. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shared } from '@kvlab/ops';
import { lab, type Method, methods } from 'kvlab';
import {
  attentionOf,
  dot,
  groupOf,
  highest,
  type Layer,
  lengthOf,
  mean,
  randomLayer,
  softmax,
  sum,
  upTo,
} from './by-hand.ts';

const tokens = 48;
const entries = 12;
const layer = randomLayer({ tokens });
const heads = upTo(layer.keys.length);

/** Scores of each key head by a rule for one head, and the entries that are best by them. */
const best = (score: (kvHead: number) => number[]) => heads.map((h) => highest(score(h), entries));
const columnMeans = (kvHead: number, of: (rows: number[][], key: number) => number): number[] => {
  const rows = groupOf(layer, kvHead).map((head) => attentionOf(layer, head));
  return upTo(tokens).map((key) => mean(rows.map((r) => of(r, key))));
};
const unit = (row: number[]) => row.map((v) => v / lengthOf(row));
const columnsOf = (rows: number[][]) => rows[0]!.map((_, d) => rows.map((row) => row[d]!));

/** Attention of the last `window` queries: over all heads of a group, then over neighbours. */
function vote(kvHead: number, window: number, kernel: number, pool: (shares: number[]) => number): number[] {
  const raw = columnMeans(kvHead, (rows, key) =>
    key < tokens - window ? sum(rows.slice(-window).map((r) => r[key]!)) : 0,
  );
  return raw.map((_, key) => pool(upTo(kernel).map((i) => raw[key + i - (kernel - 1) / 2] ?? 0)));
}
const withRecent = (scores: number[], window: number) => [
  ...highest(scores.slice(0, tokens - window), entries - window),
  ...upTo(window).map((i) => tokens - window + i),
];

function expected(kvHead: number): number[] {
  const keys = layer.keys[kvHead]!;
  const size = keys[0]!.length;
  const perHead = groupOf(layer, kvHead).map((head) => {
    const columns = columnsOf(layer.queries[head]!);
    const middle = columns.map(mean);
    const covariance = columns.map((a, i) =>
      columns.map((b, j) => mean(a.map((v, t) => (v - middle[i]!) * (b[t]! - middle[j]!)))),
    );
    const spread = (key: number[]) =>
      dot(
        key,
        covariance.map((row) => dot(row, key)),
      );
    const logits = keys.map((key) => dot(middle, key) / Math.sqrt(size) + spread(key) / (2 * size));
    return [...new Array<number>(4).fill(0), ...softmax(logits.slice(4))];
  });
  return keys.map((_, t) => (t < 4 ? 1e9 : mean(perHead.map((row) => row[t]!)) * lengthOf(layer.values[kvHead]![t]!)));
}

function lagRanks(kvHead: number, sinks: number, lag: number): number[] {
  const scores = new Array<number>(tokens).fill(1);
  const shares = (rows: number[][], from: number) => {
    const next = columnsOf(rows.slice(from + lag, from + 2 * lag));
    const [low, high] = [next.map((c) => Math.min(...c)), next.map((c) => Math.max(...c))];
    const deviations = rows.slice(from, from + lag).map((row) => {
      const scaled = row.map((v, d) => (v - low[d]!) / (high[d]! - low[d]!));
      return Math.sqrt(sum(scaled.map((v) => (v - mean(scaled)) ** 2)) / (scaled.length - 1));
    });
    return softmax(deviations);
  };
  for (let from = sinks; from + 2 * lag <= tokens; from += lag) {
    const [k, v] = [shares(layer.keys[kvHead]!, from), shares(layer.values[kvHead]!, from)];
    const both = k.map((share, i) => share + v[i]!);
    both.forEach((own, i) => {
      scores[from + i] = both.filter((other) => other < own).length / lag;
    });
  }
  return scores;
}

function normShares(kvHead: number): number[] {
  const [k, v] = [layer.keys, layer.values].map((part) => {
    const squares = part[kvHead]!.map((row) => dot(row, row));
    return squares.map((s, t) => s / sum(squares.slice(16 * Math.floor(t / 16), 16 * Math.floor(t / 16) + 16)));
  });
  return k!.map((share, t) => (t < 4 ? 1e9 : share * v![t]!));
}

/** Chunks of four by their mean vote, in front of a window of four. */
function chunks(): number[] {
  const votes = heads.map((h) => vote(h, 4, 3, (shares) => Math.max(...shares)));
  const scores = upTo((tokens - 4) / 4).map((chunk) =>
    mean(upTo(4).map((i) => sum(votes.map((v) => v[4 * chunk + i]!)))),
  );
  const chosen = highest(scores, (entries - 4) / 4);
  return [...chosen.flatMap((chunk) => upTo(4).map((i) => 4 * chunk + i)), ...upTo(4).map((i) => tokens - 4 + i)];
}

/** Heads share the budget of the layer: what counts is a score's rank among those of all heads. */
function acrossHeads(): number[][] {
  const votes = heads.map((h) => vote(h, 4, 3, (shares) => Math.max(...shares)).slice(0, tokens - 4));
  const amounts = shared(votes, entries - 4, Math.floor((entries - 4) * 0.2));
  return votes.map((scores, h) => [...highest(scores, amounts[h]!), ...upTo(4).map((i) => tokens - 4 + i)]);
}

const rules: Record<string, { sentence: string; method: Method; kept: () => number[][] }> = {
  full: { sentence: 'keeps everything', method: methods.full(), kept: () => heads.map(() => upTo(tokens)) },
  window: {
    sentence: 'keeps the newest',
    method: methods.window({ entries }),
    kept: () => heads.map(() => upTo(entries).map((i) => tokens - entries + i)),
  },
  keyNorm: {
    sentence: 'keeps the shortest keys',
    method: methods.keyNorm({ entries }),
    kept: () => best((h) => layer.keys[h]!.map((key) => -lengthOf(key))),
  },
  tova: {
    sentence: 'keeps what the last query looks at, the same in all heads, and the last token',
    method: methods.tova({ entries }),
    kept: () => {
      const all = columnsOf(heads.map((h) => columnMeans(h, (rows, key) => rows[tokens - 1]![key]!))).map(mean);
      return heads.map(() => [...highest(all.slice(0, -1), entries - 1), tokens - 1]);
    },
  },
  observedAttention: {
    sentence: 'keeps what received most attention for each query that could see it',
    method: methods.observedAttention({ entries }),
    kept: () => best((h) => columnMeans(h, (rows, key) => sum(rows.map((r) => r[key]!)) / (tokens - key))),
  },
  expectedAttention: {
    sentence: 'keeps what Gaussian queries of the same mean and covariance would look at, and four sinks',
    method: methods.expectedAttention({ entries }),
    kept: () => best(expected),
  },
  keyDiff: {
    sentence: 'keeps the keys that turn away most from their mean direction',
    method: methods.keyDiff({ entries }),
    kept: () =>
      best((h) => {
        const units = layer.keys[h]!.map(unit);
        const anchor = unit(columnsOf(units).map(mean));
        return units.map((row) => -dot(row, anchor));
      }),
  },
  lagKV: {
    sentence: 'keeps sinks, the newest and, in each part, what varies most on the scale of the next part',
    // Four sinks, four parts of eleven, of which the last one always stays.
    method: methods.lagKV({ entries: 27, lag: 11 }),
    kept: () => heads.map((h) => highest(lagRanks(h, 4, 11), 27)),
  },
  pyramidKV: {
    sentence: 'keeps by vote; the amounts of layers are in its own test',
    method: methods.pyramidKV({ entries, window: 4, kernel: 3 }),
    kept: () =>
      heads.map((h) =>
        withRecent(
          vote(h, 4, 3, (shares) => Math.max(...shares)),
          4,
        ),
      ),
  },
  adaKV: {
    sentence: 'keeps the best votes of all heads of the layer together',
    method: methods.adaKV({ entries, window: 4, kernel: 3 }),
    kept: acrossHeads,
  },
  chunkKV: {
    sentence: 'keeps whole chunks by their mean vote, the same in all heads',
    method: methods.chunkKV({ entries, window: 4, kernel: 3, chunk: 4 }),
    kept: () => heads.map(chunks),
  },
  cur: {
    sentence: 'keeps entries whose key and value are long among their sixteen neighbours, and four sinks',
    method: methods.cur({ entries }),
    kept: () => best(normShares),
  },
};

for (const [name, { sentence, method, kept }] of Object.entries(rules))
  test(`${name} ${sentence}`, async () => {
    const found = await lab.apply(method, layer);
    assert.deepEqual(
      found.kept.map((positions) => [...positions]),
      kept(),
    );
  });

test('random keeps the same entries for the same seed, whatever the layer holds, and others for another seed', async () => {
  const kept = async (of: Layer, seed: number) => (await lab.apply(methods.random({ entries }), { ...of, seed })).kept;
  const once = await kept(layer, 1);
  assert.deepEqual(once, await kept(randomLayer({ tokens, seed: 2 }), 1));
  assert.notDeepEqual(once, await kept(layer, 2));
  assert.ok(once.every((positions) => positions.length === entries));
  assert.notDeepEqual([...once[0]!], [...once[1]!]);
});

test('leverageScore keeps the one key that points where no other does, for every seed', async () => {
  const flat = layer.keys.map((rows) => rows.map((row) => row.map((v, d) => (d < 2 ? v : 0))));
  const keys = flat.map((rows) => rows.map((row, t) => (t === 17 ? [...row.slice(0, -1), 2] : row)));
  for (const seed of [0, 1, 2]) {
    const { kept, scores } = await lab.apply(methods.leverageScore({ entries }), { ...layer, keys, seed });
    kept.forEach((positions, h) => {
      assert.ok(positions.includes(17));
      assert.equal(Math.max(...scores[h]!), scores[h]![17]);
    });
  }
});
