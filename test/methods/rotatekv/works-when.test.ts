/** Works when: two bits behind a Walsh-Hadamard rotation of grouped heads before rotary, channels in the order of their
 *  outliers, and tokens with massive numbers protected. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beforeRotary, channelOrder, hadamard, methods, mixing, pipe, quant } from '@kvlab/ops';
import { walk } from '../../engine/walk.ts';
import { normal, opened, relativeRms, writtenRows } from '../coded.ts';

const { model, coder } = await opened();

for (const n of [1, 2, 3, 5, 64])
  test(`the mixing of ${n} numbers is orthonormal and its own inverse`, () => {
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let product = 0;
        for (let k = 0; k < n; k++) product += mixing(n, i, k) * mixing(n, k, j);
        assert.ok(Math.abs(product - Number(i === j)) < 1e-12);
        assert.equal(mixing(n, i, j), mixing(n, j, i));
      }
  });

test('three outlying channels cost two and three bits less behind a rotation', async () => {
  const rows = normal(512 * 64, 41).map((v, i) => (i % 64 === 7 || i % 64 === 30 || i % 64 === 52 ? v + 8 : v));
  const lost = async (bits: number, rotated: boolean) => {
    const codec = quant({ bits, group: 32, per: 'token' });
    const { restored } = await coder.through(rotated ? pipe(hadamard(), codec) : codec, { H: 1, T: 512, D: 64, rows });
    return relativeRms(rows, restored);
  };
  for (const [bits, plain, rotated] of [
    [2, 0.527, 0.38],
    [3, 0.208, 0.164],
  ] as const) {
    const found = [await lost(bits, false), await lost(bits, true)] as const;
    assert.ok(Math.abs(found[0] - plain) < 0.08 * plain, `plain ${found[0]} for ${plain}`);
    assert.ok(Math.abs(found[1] - rotated) < 0.08 * rotated, `rotated ${found[1]} for ${rotated}`);
  }
});

test('a clipped grid that contains zero gives the numbers of the hand calculation', async () => {
  const rows = Float32Array.from({ length: 8 }, (_, i) => (i === 0 ? -1 : i === 1 ? 1 : 0));
  const codec = quant({ bits: 2, group: 8, per: 'token', clip: 0.8, zero: true, scales: 'exact' });
  const { restored } = await coder.through(codec, { H: 1, T: 1, D: 8, rows });
  const round = (v: number) => Math.round(v * 1e4) / 1e4;
  assert.deepEqual([...restored.slice(0, 3)].map(round), [-1.0667, 0.5333, 0]);
});

test('channels in the order of the fit lose less than in their own, on other text', async () => {
  const lost = async (sorted: boolean) => {
    const method = methods.rotateKV({ group: 16, pivots: 4 });
    const codec = pipe(
      beforeRotary,
      hadamard({ heads: true }),
      quant({ bits: 2, group: 16, clip: 0.8, zero: true, per: 'token' }),
    );
    const plain = {
      ...method,
      encodingOf: (zone: string, part: 'keys' | 'values') =>
        zone === 'body' && part === 'keys' && !sorted ? codec : method.encodingOf(zone, part),
    };
    const written = (await writtenRows(model, plain)).filter(({ part }) => part === 'keys');
    return relativeRms(written.flatMap(({ exact }) => [...exact]), written.flatMap(({ restored }) => [...restored])); // biome-ignore format: one line
  };
  const [sorted, plain] = [await lost(true), await lost(false)];
  assert.ok(sorted < plain, `${sorted} in order, ${plain} without`);
});

test('the tokens with the largest hidden numbers stay exact, and later ones never join them', async () => {
  const method = methods.rotateKV({ pivots: 5 });
  const pivots = new Map<string, string>();
  await walk(model, method, {
    onStep: ({ layers, ids, promptLength }) => {
      if (ids.length < promptLength) return;
      for (const [l, { tables }] of layers.entries())
        for (const [h, { count, position, zone, columns }] of tables.entries()) {
          const entries = Array.from({ length: count }, (_, e) => e).sort((a, b) => position[a]! - position[b]!);
          const exact = entries.filter((e) => zone.keys[e] === method.zones.indexOf('pivots'));
          const found = exact.map((e) => position[e]!).join();
          assert.equal(exact.length, 5);
          assert.equal(pivots.get(`${l} ${h}`) ?? found, found);
          pivots.set(`${l} ${h}`, found);
          const score = columns.get('score')!;
          const least = Math.min(...exact.map((e) => score[e]!));
          const others = entries.filter((e) => !exact.includes(e) && position[e]! < promptLength);
          assert.ok(others.every((e) => score[e]! <= least));
        }
    },
  });
  assert.equal(pivots.size, 6);
});

test('the order of a fit holds every channel of all heads once, and its inverse undoes it', async () => {
  const fitting = channelOrder('rotated sum').start();
  const { tensor } = await import('@kvlab/ops');
  const keys = tensor([3, 5, 8], normal(120, 43));
  fitting.see({ sample: 0, layer: 0, kvHeads: 3, tensors: { keys } });
  const { order, place } = await fitting.give(async () => {});
  assert.deepEqual([...order!.data].sort((a, b) => a - b), Array.from({ length: 24 }, (_, i) => i)); // biome-ignore format: one line
  order!.data.forEach((channel, at) => {
    assert.equal(place!.data[channel], at);
  });
});
