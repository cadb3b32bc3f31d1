/** Works when: tokens that leave the local window lie on the host in blocks, few representative keys say which blocks are read,
 *  those stay in a pool on the device, and all that is far stands at one distance. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lab, methods } from 'kvlab';
import { heldBytes, readLedger } from '../../../kernel/src/engine/cache/ledger.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { links, type Tier, tiers } from '../../../kernel/src/engine/record/frame.ts';
import { forkSequence, type Sequence } from '../../../kernel/src/engine/run/sequence.ts';
import type { LayerView } from '../../../kernel/src/engine/run/step-observer.ts';
import { feedToken } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../../engine/tiny-model.ts';
import { goOn, sameBits, walk } from '../../engine/walk.ts';
import { attentionOf, dot, groupOf, highest, mean, randomLayer, sum, upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const small = { block: 4, init: 4, local: 12, blocks: 2, pool: 3, representatives: 2 };

test('the last query reads the blocks whose representatives it meets best, over all heads together', async () => {
  const tokens = 47;
  const layer = randomLayer({ tokens });
  // All tokens come as one chunk, whose local window is that of its first query: all of them stand in it.
  const { read, kept } = await lab.apply(methods.infLLM(small), layer);
  const received = layer.keys.map((_, h) => {
    const rows = groupOf(layer, h).flatMap((head) => attentionOf(layer, head));
    return upTo(tokens).map((key) => sum(rows.map((row) => row[key]!)));
  });
  // 47 tokens: 4 to 35 lie in blocks, the window has 36 to 46.
  const worth = upTo(8).map((block) =>
    sum(
      layer.keys.map((keys, h) => {
        const own = upTo(4).map((i) => 4 + block * 4 + i);
        const best = highest(
          own.map((key) => received[h]![key]!),
          2,
        ).map((i) => keys[own[i]!]!);
        const key = best[0]!.map((_, d) => mean(best.map((row) => row[d]!)));
        return sum(groupOf(layer, h).map((head) => dot(layer.queries[head]!.at(-1)!, key)));
      }),
    ),
  );
  const expected = [
    ...upTo(4),
    ...highest(worth, 2).flatMap((block) => upTo(4).map((i) => 4 + block * 4 + i)),
    ...upTo(11).map((i) => 36 + i),
  ];
  for (const [h, positions] of read.entries()) {
    assert.deepEqual([...positions], expected);
    assert.deepEqual([...kept[h]!], upTo(tokens));
  }
});

test('a planted block whose keys are the query is read first', async () => {
  const layer = randomLayer({ tokens: 60, queryHeads: 3, kvHeads: 3 });
  layer.keys.forEach((keys, h) => {
    for (const i of upTo(4)) keys[20 + i] = layer.queries[h]!.at(-1)!.map((v) => 2 * v);
  });
  const { read } = await lab.apply(methods.infLLM({ ...small, blocks: 1 }), layer);
  for (const positions of read) assert.deepEqual([...positions].slice(4, 8), [20, 21, 22, 23]);
});

/** Zones, tiers and pages that hold after every step. */
function checkPages({ layers, ids, method }: Sequence): void {
  const [, init, local, body] = method.zones.map((_, z) => z) as [number, number, number, number];
  for (const { tables, pages } of layers)
    tables.forEach(({ count, position, zone }, h) => {
      const head = pages[0]!.heads[h]!;
      const inBody = upTo(count).filter((e) => zone.keys[e] === body);
      assert.equal(inBody.length % small.block, 0, 'a block leaves whole');
      assert.equal(head.count, inBody.length / small.block);
      const near = upTo(count).filter((e) => zone.keys[e] === local);
      assert.ok(near.length <= small.local, `${near.length} in the local window`);
      if (ids.length > 30) assert.ok(near.length > small.local - small.block);
      const newest = near.map((e) => position[e]!).sort((a, b) => a - b);
      assert.deepEqual(
        newest,
        upTo(near.length).map((i) => ids.length - near.length + i),
      );
      assert.ok(upTo(count).every((e) => (zone.keys[e] === init) === position[e]! < small.init));
      assert.ok(head.pool.size <= small.pool);
    });
}

test('blocks leave the window whole, and no more pages stay on the device than the pool holds', async () => {
  await walk(model, methods.infLLM(small), { prompt: 60, steps: 30, onStep: checkPages });
});

const blockBytes = (m: Model) => small.block * 2 * 4 * m.config.headSize;

test('a block is copied once and then read from the pool, until others push it out', async () => {
  const { sequence } = await walk(model, methods.infLLM(small), { prompt: 90, steps: 0 });
  const pools = () => sequence.layers.flatMap(({ pages }) => pages[0]!.heads.map(({ pool }) => [...pool.keys()]));
  const heads = model.config.kvHeads;
  let [fetched, copied] = [0, 0];
  for (const id of tinyIds.slice(90, 140)) {
    const before = pools();
    const chosen: number[][] = [];
    await feedToken(sequence, id, {
      observer: {
        event() {},
        written() {},
        layer({ layer, read }) {
          read.zones[0]!.choices.forEach(({ pages }, h) => {
            chosen[layer * heads + h] = pages;
          });
        },
      },
    });
    const copies = sum(chosen.map((pages, head) => pages.filter((page) => !before[head]!.includes(page)).length));
    const { bytes, moves } = sequence.reads.traffic;
    assert.equal(bytes[links.indexOf('hostToDevice')], copies * blockBytes(model));
    assert.equal(moves[links.indexOf('hostToDevice')], copies);
    pools().forEach((pool, head) => {
      const last = [...before[head]!.filter((page) => !chosen[head]!.includes(page)), ...chosen[head]!];
      assert.deepEqual(pool, last.slice(-small.pool), 'the pool holds those that were read last');
    });
    fetched += sum(chosen.map(({ length }) => length));
    copied += copies;
  }
  assert.ok(copied > 0 && copied < 0.7 * fetched, `${copied} of ${fetched} fetched pages were copied`);
});

test('held bytes are those of three tiers: rows of blocks on the host, window, summaries and pool on the device', async () => {
  const run = await lab.generate(model, tinyIds.slice(0, 90), { method: methods.infLLM(small), maxTokens: 40 });
  const { tiers: held, held: parts, moved, estimatedMoveMs } = run.bytes();
  assert.equal(held.device + held.host, parts.total);
  assert.equal(held.disk, 0);
  assert.ok(held.host > 30 * blockBytes(model) * model.config.layers * model.config.kvHeads);
  assert.equal(moved.diskToHost + moved.hostToDisk, 0);
  assert.ok(moved.deviceToHost > 0 && moved.hostToDevice > 0 && estimatedMoveMs > 0);
});

test('what is said of the links changes the estimate and nothing else', async () => {
  const ids = tinyIds.slice(0, 90);
  const slow = { hostToDevice: { bytesPerSecond: 1e6, secondsPerMove: 0 }, deviceToHost: { bytesPerSecond: 1e6 } };
  const options = { method: methods.infLLM(small), maxTokens: 10 };
  const [usual, run] = [
    await lab.generate(model, ids, options),
    await lab.generate(model, ids, { ...options, links: slow }),
  ];
  assert.deepEqual([...run.ids], [...usual.ids]);
  const { moved, estimatedMoveMs } = run.bytes();
  assert.deepEqual(moved, usual.bytes().moved);
  assert.ok(estimatedMoveMs >= (1000 * (moved.hostToDevice + moved.deviceToHost)) / 1e6);
  assert.equal(run.snapshot().header.info!.links!.hostToDevice.bytesPerSecond, 1e6);
  await assert.rejects(
    () => lab.generate(model, ids, { ...options, links: { diskToHost: { bytesPerSecond: 0 } } }),
    /links: bytesPerSecond of diskToHost is 0; give more than 0/,
  );
});

test('with most pages in a file, logits are the same bit for bit, and memory holds less', async () => {
  const options = { prompt: 80, steps: 20 };
  const hostBytes = 40 * blockBytes(model);
  const [memory, file] = [
    await walk(model, methods.infLLM(small), options),
    await walk(model, methods.infLLM({ ...small, hostBytes, disk: true }), options),
  ];
  assert.ok(sameBits(file.logits, memory.logits));
  const bytes = ({ sequence }: typeof file, tier: Tier) =>
    readLedger(sequence.method, sequence.layers).tiers[tiers.indexOf(tier)]!;
  assert.equal(bytes(memory, 'disk'), 0);
  assert.ok(bytes(file, 'disk') > 2 * hostBytes);
  assert.ok(heldBytes(file.sequence.layers) < heldBytes(memory.sequence.layers));
  const branch = { sequence: forkSequence(file.sequence), logits: [] };
  const [fork, trunk] = [await goOn(branch, { steps: 8 }), await goOn({ ...file, logits: [] }, { steps: 8 })];
  assert.ok(sameBits(fork.logits, trunk.logits), 'a fork reads the same file');
});

test('queries see nothing at a greater distance than the local window, however long the text is', async () => {
  const distances: number[] = [];
  const observer = () => ({
    event() {},
    written() {},
    layer({ cache, position }: LayerView) {
      for (const { count, position: at, zone } of cache.tables)
        for (const e of upTo(count)) if (zone.keys[e] === 2) distances.push(position.at(-1)! - at[e]!);
    },
  });
  await walk(model, methods.infLLM(small), { prompt: 100, chunk: 1, steps: 20, observer });
  assert.ok(distances.length > 1000 && Math.max(...distances) <= small.local);
});

test('text may grow beyond the context that the model was trained on, where H2O is refused', async () => {
  const short: Model = { ...model, config: { ...model.config, context: 64 } };
  const { sequence, logits } = await walk(short, methods.infLLM(small), { prompt: 150, steps: 20 });
  assert.equal(sequence.ids.length, 170);
  assert.ok(logits.at(-1)!.every(Number.isFinite));
  await assert.rejects(() => walk(short, methods.h2o({ entries: 20 }), { prompt: 150 }), /more than its context of 64/);
  const wide = methods.infLLM({ ...small, local: 60 });
  await assert.rejects(() => walk(short, wide, { prompt: 150 }), /more than its context of 64/);
});

test('a budget is what a head reads: half of it is the window, and blocks take what is left', async () => {
  const read: number[] = [];
  const observer = () => ({
    event() {},
    written() {},
    layer({ cache, position }: LayerView) {
      if (position[0]! >= 100) for (const { count } of cache.tables) read.push(count);
    },
  });
  const method = methods.infLLM({ block: 4, init: 4, keep: 0.4 });
  await walk(model, method, { prompt: 100, steps: 20, observer });
  assert.ok(read.length > 0 && read.every((n) => n <= 40 && n > 40 - 2 * 4), read.join());
  await assert.rejects(
    () => walk(model, methods.infLLM({ keep: 0.1 }), { prompt: 100 }),
    /InfLLM: uniform: the budget is 10 entries a head, but 21 are spoken for/,
  );
});
