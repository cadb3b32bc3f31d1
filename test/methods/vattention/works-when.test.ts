/** Works when: physical pages are mapped as tokens arrive, and committed bytes and waste stand beside blocks and reservation. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lab, methods, pagedBlocks, type Request, reserved, type TokenShape, tokenBytes, virtualPages } from 'kvlab';
import { readLedger } from '../../../kernel/src/engine/cache/ledger.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { liveBytes } from '../../engine/live-buffers.ts';
import { seeded } from '../../engine/seeded.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { apart, walk } from '../../engine/walk.ts';
import { upTo } from '../by-hand.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

/** SmolLM2-135M at 16 bits: 384 bytes of a token in each of 60 tensors. */
const shape: TokenShape = { layers: 30, kvHeads: 3, headSize: 64, bytesPerNumber: 2 };
const MiB = 2 ** 20;

test('a token in each tensor of SmolLM2-135M commits 120 MiB in pages of 2 MiB, and 4 MiB where layers lie together', () => {
  const committed = (pager: ReturnType<typeof virtualPages>, tokens: number) =>
    pager.committedBytes(tokens, shape) / MiB;
  const large = virtualPages({ page: 2 * MiB });
  const mega = virtualPages({ page: 2 * MiB, layout: 'mega' });
  assert.deepEqual([1, 1000, 5461, 5462, 8192].map((n) => committed(large, n)), [120, 120, 120, 240, 240]); // biome-ignore format: one case a line
  assert.deepEqual([1, 182, 183, 1000].map((n) => committed(mega, n)), [4, 4, 8, 24]); // biome-ignore format: one case a line
  assert.equal(committed(virtualPages({ page: 65536 }), 1000), 22.5);
  assert.equal(committed(large, 0), 0);
  assert.ok(Math.abs((1000 * tokenBytes(shape)) / MiB - 21.97) < 0.005);
});

test('a page holds whole tokens, so 16,384 of them need four pages of 2 MiB in each tensor where three have the bytes', () => {
  const pages = virtualPages({ page: 2 * MiB }).committedBytes(16384, shape) / (2 * MiB) / 60;
  assert.deepEqual([pages, Math.ceil((16384 * 384) / (2 * MiB))], [4, 3]);
});

test('committed bytes are whole pages, never less than what is used, and a block wastes fewer than 16 tokens', () => {
  for (const tokens of upTo(400).map((i) => i * 41)) {
    const used = tokens * tokenBytes(shape);
    for (const pager of [virtualPages({ page: 65536 }), virtualPages({ page: MiB, layout: 'mega', ahead: 1 })])
      assert.ok(pager.committedBytes(tokens, shape) >= used && pager.committedBytes(tokens, shape) % 65536 === 0);
    const waste = pagedBlocks({ block: 16 }).committedBytes(tokens, shape) - used;
    assert.ok(waste >= 0 && waste <= 345_600);
  }
});

const trace = (seed: number, requests = 30): Request[] => {
  const { whole } = seeded(seed);
  return upTo(requests).map((i) => ({ arrives: 7 * i, promptTokens: whole(20, 900), answerTokens: whole(5, 200) }));
};

test('over a trace of requests reservation wastes most, blocks least, and small virtual pages little', () => {
  const pagers = [reserved({ tokens: 2048 }), virtualPages({ page: 65536 }), pagedBlocks()];
  const served = lab.serveTrace(trace(3), pagers, shape);
  const waste = served.map(({ committedBytes, usedBytes }) => {
    const sum = (list: Float64Array) => list.reduce((a, b) => a + b, 0);
    committedBytes.forEach((bytes, step) => {
      assert.ok(bytes >= usedBytes[step]!);
    });
    return 1 - sum(usedBytes) / sum(committedBytes);
  });
  assert.ok(waste[0]! > 0.6 && waste[0]! > waste[1]! && waste[1]! > waste[2]!, waste.join(', '));
  const used = served.map(({ usedBytes }) => [...usedBytes]);
  assert.deepEqual(used[0], used[2]);
  assert.deepEqual(used[0], used[1]);
});

test('pages of requests that ended stay mapped, and the next one takes the place that fits it best', () => {
  const request = (arrives: number, promptTokens: number) => ({ arrives, promptTokens, answerTokens: 0 });
  const pager = virtualPages({ page: 65536 });
  // Places of 300 and of 1000 tokens are free when a prompt of 200 comes: it maps nothing, and leaves the larger free.
  const [served] = lab.serveTrace(
    [request(0, 300), request(0, 1000), request(5, 200), request(6, 900)],
    [pager],
    shape,
  );
  const committed = [...served!.committedBytes];
  const both = pager.committedBytes(300, shape) + pager.committedBytes(1000, shape);
  assert.ok(
    committed.every((bytes) => bytes === both),
    committed.join(),
  );
  const [paged] = lab.serveTrace([request(0, 300), request(5, 10)], [pagedBlocks()], shape);
  assert.equal(paged!.committedBytes[3], 0);
});

test('under pressure freed places are given up, and a request waits where even that is not enough', () => {
  const pager = virtualPages({ page: 65536 });
  const limit = pager.committedBytes(1000, shape);
  const [served] = lab.serveTrace(
    [0, 1, 2].map((arrives) => ({ arrives, promptTokens: 700, answerTokens: 20 })),
    [pager],
    shape,
    limit,
  );
  assert.ok(served!.committedBytes.every((bytes) => bytes <= limit));
  assert.ok(served!.waitedSteps > 20 && served!.usedBytes.at(-1) === 0);
  assert.throws(
    () => lab.serveTrace(trace(1), [pager], shape, 1000),
    /needs \d+ bytes under virtual pages .* raise it/,
  );
});

test('a run under vAttention reads what the full cache reads, from buffers of whole pages', async () => {
  const page = 4096;
  const method = methods.vAttention({ page });
  const [full, found] = [await walk(model, methods.full()), await walk(model, method)];
  assert.ok(apart(found.logits, full.logits) < 1e-5);
  const { layers: cache, ids } = found.sequence;
  const { kvHeads, headSize } = model.config;
  const tokensPerPage = Math.floor(page / (kvHeads * headSize * 4));
  for (const { stores } of cache)
    for (const part of ['keys', 'values'] as const)
      for (const store of stores[part])
        assert.ok(
          store.capacity.every((slots) => slots % tokensPerPage === 0),
          store.capacity.join(),
        );
  const { held, committed } = readLedger(method, cache);
  assert.equal(held, liveBytes(cache.map(({ tables, stores, pages }) => [tables, stores, pages])));
  assert.equal(committed, Math.ceil(ids.length / tokensPerPage) * page * 2 * cache.length);
  assert.equal(Number.isNaN(readLedger(methods.full(), full.sequence.layers).committed), true);
});

test('pages, blocks and rooms that cannot be meant are refused, naming slot, operator and fix', () => {
  const bad: [() => unknown, RegExp][] = [
    [() => methods.vAttention({ page: 0 }), /place virtual pages: page is 0; give a whole number from 1/],
    [() => virtualPages({ page: 65536, ahead: -1 }), /place virtual pages: ahead is -1; give a whole number from 0/],
    [
      () => virtualPages({ page: 100 }).committedBytes(1, shape),
      /a page of 100 bytes holds no whole token, which takes 384; give larger pages/,
    ],
    [() => pagedBlocks({ block: 0 }), /place paged blocks: block is 0 tokens; give a whole number from 1/],
    [
      () => reserved({ tokens: 10 }).committedBytes(11, shape),
      /place reserved: a request holds 11 tokens and room is for 10; reserve more/,
    ],
    [
      () => lab.serveTrace([{ arrives: 0, promptTokens: 1.5, answerTokens: 0 }], [pagedBlocks()], shape),
      /serve: a request is .* give whole numbers from 0/,
    ],
    [() => methods.vAttention({ keep: 0.5 }), /vAttention: it evicts nothing, so keep sets no budget; leave it out/],
  ];
  for (const [call, message] of bad) assert.throws(call, message);
});
