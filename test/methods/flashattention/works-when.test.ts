/** Works when: attention in tiles with an online softmax is exact, and the numbers that it moves are counted. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { elementTraffic, methods } from '@kvlab/ops';
import { ops } from 'kvlab';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { seeded } from '../../engine/seeded.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { apart, walk } from '../../engine/walk.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

for (const tile of [1, 7, 64, 1000])
  test(`the model says the same in tiles of ${tile} keys as with the full cache`, async () => {
    const full = await walk(model, methods.full());
    const tiled = await walk(model, methods.flashAttention({ tile }));
    assert.ok(apart(tiled.logits, full.logits) < 1e-5);
  });

test('the result does not depend on the tile, in the graph and in the loop', async () => {
  const { row } = seeded(3);
  const logits = [Array.from({ length: 4 }, () => [...row(37)].map((v) => 20 * v))];
  const values = [Array.from({ length: 37 }, () => [...row(8)])];
  for (const by of ['graph', 'reference'] as const) {
    const whole = await ops.tiled({ logits, values }, { tile: 37 }, { by });
    for (const tile of [1, 5, 16, 64]) {
      const cut = await ops.tiled({ logits, values }, { tile }, { by });
      cut.output.data.forEach((v, i) => {
        assert.ok(Math.abs(Number(v) - Number(whole.output.data[i])) < 1e-5);
      });
    }
  }
});

test('a tile that nobody may see adds nothing, also where it comes first', async () => {
  const hidden = -1e30;
  const values = [[[100], [100], [1], [3]]];
  for (const seen of [0, 50, -200]) {
    const logits = [[[hidden, hidden, seen, seen]]];
    const { output } = await ops.tiled({ logits, values }, { tile: 2 });
    assert.ok(Math.abs(Number(output.data[0]) - 2) < 1e-6);
  }
});

test('logits far apart neither overflow nor vanish', async () => {
  const values = [[[1], [2], [5]]];
  const { output, lse } = await ops.tiled({ logits: [[[1000, 999, -1000]]], values }, { tile: 1 });
  const [a, b] = [1, Math.exp(-1)];
  assert.ok(Math.abs(Number(output.data[0]) - (a + 2 * b) / (a + b)) < 1e-5);
  assert.ok(Math.abs(Number(lse.data[0]) - (1000 + Math.log(a + b))) < 1e-2);
});

test('tiles of 64 queries move half of what the whole matrix moves at 1,024 tokens, tiles of 128 a quarter', () => {
  assert.equal(elementTraffic(1024, 64), 4_456_448);
  assert.equal(elementTraffic(1024, 64, 64), 2_228_224);
  assert.equal(elementTraffic(1024, 64, 128), 1_179_648);
});
