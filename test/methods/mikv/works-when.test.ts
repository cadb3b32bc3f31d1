/** Works when: what an eviction would drop stays in few bits, important entries stay exact by accumulated attention, and no token
 *  is ever lost. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { methods } from '@kvlab/ops';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { apart, type Walked, walk } from '../../engine/walk.ts';
import { errorOf, writtenRows } from '../coded.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const read = { prompt: 96, chunk: 96, steps: 24 };

test('every token is held at every step, the newest and the heaviest of them exact', async () => {
  const method = methods.mikv({ heavy: 10, recent: 6 });
  await walk(model, method, {
    ...read,
    onStep: ({ layers, ids }) => {
      for (const { tables } of layers)
        for (const { count, position, zone, columns } of tables) {
          assert.deepEqual([...position.subarray(0, count)].sort((a, b) => a - b), ids.map((_, i) => i)); // biome-ignore format: one line
          const inZone = (name: string) =>
            Array.from({ length: count }, (_, e) => e).filter((e) => zone.keys[e] === method.zones.indexOf(name));
          assert.deepEqual(inZone('recent').map((e) => position[e]!).sort((a, b) => a - b), ids.map((_, i) => i).slice(-6)); // biome-ignore format: one line
          assert.equal(inZone('heavy').length, 10);
          if (ids.length > 96) continue;
          const score = (e: number) => columns.get('score')![e]!;
          const least = Math.min(...inZone('heavy').map(score));
          assert.ok(inZone('body').every((e) => score(e) <= least));
        }
    },
  });
});

test('keeping in two bits what eviction would drop changes the answer less than dropping it', async () => {
  const full = await walk(model, methods.full(), read);
  const from = async (walked: Promise<Walked>) => apart((await walked).logits.slice(1), full.logits.slice(1));
  const kept = await from(walk(model, methods.mikv({ heavy: 10, recent: 6 }), read));
  const dropped = await from(walk(model, methods.h2o({ heavy: 10, recent: 6 }), read));
  assert.ok(kept < dropped, `${kept} in two bits, ${dropped} dropped`);
  const fine = await from(walk(model, methods.mikv({ heavy: 10, recent: 6, bits: 8 }), read));
  assert.ok(fine < kept / 4, `${fine} in eight bits`);
});

test('three and four bits lose less than two', async () => {
  const lost = async (bits: number) => errorOf(await writtenRows(model, methods.mikv({ bits, recent: 6 })), 'keys');
  const [two, three, four] = [await lost(2), await lost(3), await lost(4)];
  assert.ok(three < 0.6 * two && four < 0.6 * three, `${two}, ${three}, ${four}`);
});
