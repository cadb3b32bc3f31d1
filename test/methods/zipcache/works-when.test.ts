/** Works when: values share one scale a token behind a scale for each channel, salience is attention from probe queries divided
 *  by how many could see, and salient tokens have four bits where the others have two. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelScale, isProbe, methods, pipe, quant } from '@kvlab/ops';
import { walk } from '../../engine/walk.ts';
import { normal, opened, relativeRms, writtenRows } from '../coded.ts';

const { model, coder } = await opened();

test('one channel a hundred times as large spoils the others nine times less behind a scale of its own', async () => {
  const shape = { H: 3, T: 256, D: 64 };
  const plain = normal(3 * 256 * 64, 21);
  const large = plain.map((v, i) => (i % 64 === 9 && i < 256 * 64 ? 100 * v : v));
  const others = (i: number) => !(i % 64 === 9 && i < 256 * 64);
  const lost = async (rows: Float32Array, scaled: boolean) => {
    const codec = quant({ bits: 8, per: 'row' });
    const { restored } = await coder.through(scaled ? pipe(channelScale(), codec) : codec, { ...shape, rows });
    return relativeRms(rows, restored, others);
  };
  const grows = async (scaled: boolean) => (await lost(large, scaled)) / (await lost(plain, scaled));
  const [without, behind] = [await grows(false), await grows(true)];
  assert.ok(without > 14 && without < 24, `without: ${without}`);
  assert.ok(behind > 1.5 && behind < 2.8, `behind a scale: ${behind}`);
});

test('probes are the last share of the prompt and a random share of all of it', () => {
  const now = { step: 0, seen: 1000, promptLength: 1000, layer: 0, seed: 3, sizes: {} };
  const probes = Array.from({ length: 1000 }, (_, p) => isProbe(p, now, { last: 0.05, random: 0.05 }));
  assert.ok(probes.slice(950).every((probe) => probe === 1));
  const early = probes.slice(0, 950).filter((probe) => probe === 1).length;
  assert.ok(early > 25 && early < 75, `${early} of 950`);
  assert.deepEqual(
    probes,
    Array.from({ length: 1000 }, (_, p) => isProbe(p, now, { last: 0.05, random: 0.05 })),
  );
});

test('salient tokens have four bits and the others two; all heads of a layer agree, and nothing is lost', async () => {
  const method = methods.zipCache({ group: 8, every: 8 });
  const { sequence } = await walk(model, method, { prompt: 80, chunk: 40, steps: 16 });
  const of = (name: string) => method.zones.indexOf(name);
  for (const { tables, stores } of sequence.layers) {
    const zones = tables.map(({ count, position, zone }) =>
      Array.from({ length: count }, (_, e) => [position[e]!, zone.keys[e]!] as const).sort((a, b) => a[0] - b[0]),
    );
    for (const own of zones) assert.deepEqual(own, zones[0]);
    assert.equal(zones[0]!.length, 96);
    const held = (name: string) => zones[0]!.filter(([, zone]) => zone === of(name)).length;
    assert.ok(held('salient') >= 40 && held('salient') <= 64, `${held('salient')} salient`);
    assert.ok(held('body') >= 24);
    const bits = stores.keys.map(({ encoding }) => encoding.bits).sort((a, b) => a - b);
    assert.deepEqual(bits, [2, 4, 32]);
  }
});

test('what probes look at is among the salient', async () => {
  const method = methods.zipCache({ group: 8, every: 100 });
  const { sequence } = await walk(model, method, { prompt: 80, chunk: 80, steps: 0 });
  for (const { tables } of sequence.layers) {
    const { count, columns, zone } = tables[0]!;
    const scores = columns.get('score')!;
    const best = Array.from({ length: count }, (_, e) => e).sort((a, b) => scores[b]! - scores[a]!)[0]!;
    assert.equal(zone.keys[best], method.zones.indexOf('salient'));
  }
});

test('values of a token have one scale and one minimum for all heads, in one buffer', async () => {
  const { sequence } = await walk(model, methods.zipCache({ group: 8 }), { prompt: 80, chunk: 80, steps: 0 });
  for (const { stores } of sequence.layers)
    for (const store of stores.values.filter(({ encoding }) => encoding.joint)) {
      const [scale] = store.codes.get('scale')!;
      assert.ok(store.codes.get('scale')!.every((view) => view === scale));
      assert.equal(scale!.length, store.capacity[0]);
    }
});

test('salient rows lose less than the others', async () => {
  const written = await writtenRows(model, methods.zipCache({ group: 8 }));
  const lost = (bits: number) => {
    const own = written.filter((rows) => rows.bits === bits);
    return relativeRms(own.flatMap(({ exact }) => [...exact]), own.flatMap(({ restored }) => [...restored])); // biome-ignore format: one line
  };
  assert.ok(lost(4) < 0.5 * lost(2), `${lost(4)} and ${lost(2)}`);
});
