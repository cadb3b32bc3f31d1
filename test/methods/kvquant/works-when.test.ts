/** Works when: keys before rotary per channel, values per token, fitted levels, one outlier of each row exact, the first token
 *  exact, and Q-Norm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  exceptOutliers,
  type Fitted,
  histogram,
  levels,
  levelsOf,
  type Method,
  methods,
  nearestOf,
  nonUniformLevels,
  quant,
  tensor,
} from '@kvlab/ops';
import { fittedFor } from '../../../kernel/src/engine/fit/fitted.ts';
import { filler, sampleText } from '../../../kernel/src/engine/fit/samples.ts';
import type { WrittenRows } from '../../../kernel/src/engine/keep/observer.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt } from '../../../kernel/src/engine/run/steps.ts';
import { walk } from '../../engine/walk.ts';
import { errorOf, normal, opened, relativeRms, writtenRows } from '../coded.ts';

const { model, coder } = await opened();

test('levels move less than a uniform grid of as many points, and no level can be moved to help', () => {
  const seen = histogram();
  // Heavy tails: a few numbers near the ends, most in the middle.
  for (const v of normal(20_000, 31)) seen.add(Math.tanh(v / 3) * Math.abs(Math.tanh(v)), 1);
  const found = levelsOf(seen, 8, false);
  const error = (centres: readonly number[]) =>
    seen
      .bins()
      .reduce((sum, { value, weight }) => sum + weight * (value - centres[nearestOf(centres, value)]!) ** 2, 0);
  const uniform = Array.from({ length: 8 }, (_, i) => -1 + (2 * i) / 7);
  assert.ok(error(found) < 0.8 * error(uniform));
  for (let i = 0; i < 8; i++)
    for (const by of [-0.01, 0.01]) assert.ok(error(found.map((c, j) => (i === j ? c + by : c))) > error(found));
});

test('more rounds of k-means never move the levels away', () => {
  const seen = histogram();
  for (const v of normal(5000, 33)) seen.add(v / 4, Math.abs(v));
  let before = Number.POSITIVE_INFINITY;
  for (const rounds of [0, 1, 2, 4, 8, 16]) {
    const centres = levelsOf(seen, 4, false, rounds);
    const now = seen
      .bins()
      .reduce((sum, { value, weight }) => sum + weight * (value - centres[nearestOf(centres, value)]!) ** 2, 0);
    assert.ok(now <= before, `${rounds} rounds`);
    before = now;
  }
});

test('with Q-Norm what is coded has the mean and the spread of what was seen', () => {
  const seen = histogram();
  for (const v of normal(20_000, 35)) seen.add(v / 5 + 0.1, 1);
  const spread = (centres: readonly number[] | undefined) => {
    const list = seen
      .bins()
      .map(({ value, count }) => ({ v: centres ? centres[nearestOf(centres, value)]! : value, count }));
    const n = list.reduce((sum, { count }) => sum + count, 0);
    const mean = list.reduce((sum, { v, count }) => sum + count * v, 0) / n;
    return { mean, deviation: Math.sqrt(list.reduce((sum, { v, count }) => sum + count * (v - mean) ** 2, 0) / n) };
  };
  const [exact, plain, normed] = [spread(undefined), spread(levelsOf(seen, 4, false)), spread(levelsOf(seen, 4, true))];
  assert.ok(plain.deviation < 0.98 * exact.deviation);
  const short = (of: { deviation: number }) => Math.abs(of.deviation / exact.deviation - 1);
  assert.ok(short(normed) < 0.75 * short(plain), `${short(normed)} after ${short(plain)}`);
  assert.ok(Math.abs(normed.mean - exact.mean) < 0.01);
});

test('of each row one number is exact, the one farthest beyond the limits of its channel', async () => {
  const fit = nonUniformLevels({ part: 'keys', bits: 3, outliers: 0.01 });
  const rows = normal(16 * 64, 37).map((v, i) => (i % 64 === (i >> 6) + 3 ? 9 : v));
  const known = {
    codebook: Float32Array.from({ length: 8 }, (_, i) => -1 + (2 * i) / 7),
    middle: new Float32Array(64),
    reach: new Float32Array(64).fill(2.5),
  };
  const codec = exceptOutliers(levels({ bits: 3, per: 'channel', fit }), { per: 'limits', count: 1 });
  const { restored, codes } = await coder.through(codec, { H: 1, T: 16, D: 64, rows }, known);
  for (let t = 0; t < 16; t++) {
    assert.equal(codes.places![t], t + 3);
    assert.equal(restored[t * 64 + t + 3], 9);
  }
  assert.ok(restored.every((v, i) => i % 64 === (i >> 6) + 3 || Math.abs(v) <= 2.5 + 1e-6));
});

/** Texts that the fit has not read: paragraphs like those that it has, short sentences that are all alike, and no language. */
const unread = {
  prose: () => sampleText(model, { samples: 'prose', tokens: 200, seed: 77 }, 0).ids,
  'short sentences': () => model.tokenizer.encode(filler(5, 40).join(' ')).ids.slice(0, 200),
  'random tokens': () => sampleText(model, { samples: 'repeated random', tokens: 200, seed: 3 }, 0).ids,
};
for (const bits of [2, 3, 4])
  test(`fitted on the model, ${bits} bits of levels lose less than ${bits} bits of a uniform grid, on text like that of the fit and unlike it`, async () => {
    const method = methods.kvQuant({ bits, qNorm: false });
    const [fitted, even] = [await fittedFor(model, method), await evenly(bits)];
    for (const [name, text] of Object.entries(unread)) {
      const [found, uniform] = [await lostOnText(method, fitted, text()), await lostOnText(method, even, text())];
      assert.ok(found.products < uniform.products, `${name}, products: ${found.products} for ${uniform.products}`);
      assert.ok(found.values < uniform.values, `${name}, values: ${found.values} for ${uniform.values}`);
    }
  });

/** Relative error of values, and of keys weighted with the energy of the queries on their rotary pair, which is the error of
 *  products. */
async function lostOnText(
  method: Method,
  fitted: Fitted,
  ids: ArrayLike<number>,
): Promise<{ products: number; values: number }> {
  const written: WrittenRows[] = [];
  const energy = new Map<string, Float64Array>();
  await feedPrompt(createSequence(model, method, 0, fitted), Array.from(ids), {
    observer: {
      event() {},
      written: (rows) => written.push(rows),
      layer({ layer, queries }) {
        const { kvHeads, headSize: D } = model.config;
        queries.forEach((q, i) => {
          const name = `${layer} ${Math.floor((i * kvHeads) / queries.length)}`;
          const own = energy.get(name) ?? new Float64Array(D);
          energy.set(name, own);
          for (const side of [i % D, (i % D) ^ 1]) own[side]! += q * q;
        });
      },
    },
  });
  let [error, signal] = [0, 0];
  for (const { layer, kvHead, part, exact, restored } of written)
    if (part === 'keys')
      exact.forEach((v, i) => {
        const weight = energy.get(`${layer} ${kvHead}`)![i % 64]!;
        error += weight * (v - restored[i]!) ** 2;
        signal += weight * v * v;
      });
  return { products: Math.sqrt(error / signal), values: errorOf(written, 'values') };
}

/** What the fit gives, with levels that are evenly spread. */
async function evenly(bits: number) {
  const found = await fittedFor(model, methods.kvQuant({ bits, qNorm: false }));
  const even = ([layers, n]: readonly number[]) =>
    new Array(layers).fill(Array.from({ length: n! }, (_, i) => -1 + (2 * i) / (n! - 1))).flat();
  return new Map(
    [...found].map(([name, value]) => [name, name.endsWith('codebook') ? tensor(value.dims, even(value.dims)) : value]),
  );
}

test('keys are easier to code before rotary than after it', async () => {
  const written = await writtenRows(model, methods.kvQuant());
  assert.ok(
    written.every(({ positions }) => positions.every((p) => p >= 1)),
    'the first token stays exact',
  );
  const after = await writtenRows(model, methods.kivi({ bits: 3, group: 8, residual: 8 }));
  const again = async (rows: typeof written) => {
    const keys = rows.filter(({ part, positions }) => part === 'keys' && positions.length >= 32);
    const lost = await Promise.all(
      keys.map(async ({ exact, positions }) => {
        const T = positions.length - (positions.length % 32);
        const own = { H: 1, T, D: 64, rows: exact.slice(0, T * 64) };
        return relativeRms(own.rows, (await coder.through(quant({ bits: 2, per: 'channel' }), own)).restored);
      }),
    );
    return lost.reduce((a, b) => a + b) / lost.length;
  };
  assert.ok((await again(written)) < (await again(after)));
});

test('sinks stay exact for good', async () => {
  const method = methods.kvQuant({ sinks: 3 });
  const { sequence } = await walk(model, method);
  for (const { tables } of sequence.layers)
    for (const { count, position, zone } of tables)
      for (let e = 0; e < count; e++) assert.equal(zone.keys[e] === method.zones.indexOf('sinks'), position[e]! < 3);
});
