/** What a run records of reads, pages and tiers, against the cache that it watched. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { all, type Method, methods } from '@kvlab/ops';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { wholeRows } from '../../kernel/src/engine/record/attention-record.ts';
import {
  type Columns,
  decodeFrame,
  type Frame,
  mergeFrames,
  type PanelMessage,
} from '../../kernel/src/engine/record/frame.ts';
import { type GenerateOptions, generate, type Run, type Stage } from '../../kernel/src/engine/run/run.ts';
import { forkSequence } from '../../kernel/src/engine/run/sequence.ts';
import { feedToken } from '../../kernel/src/engine/run/steps.ts';
import { loadTiny, tinyIds } from '../engine/tiny-model.ts';
import { walk } from '../engine/walk.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

const reading: Record<string, Method> = {
  Quest: methods.quest({ page: 4, read: 16, exactLayers: 1 }),
  InfLLM: methods.infLLM({ block: 4, init: 4, local: 12, blocks: 2, pool: 3 }),
  'InfLLM with a file': methods.infLLM({
    block: 4,
    init: 4,
    local: 12,
    blocks: 2,
    pool: 3,
    hostBytes: 8192,
    disk: true,
  }),
};

async function recorded(
  method: Method,
  record: GenerateOptions['record'] = true,
): Promise<{ run: Run; frames: Frame[] }> {
  const frames: Frame[] = [];
  const stage: Stage = { publish: (frame) => frames.push(frame), newId: () => 'run', now: () => performance.now() };
  const options = { method, maxTokens: 30, chunk: 16, record };
  return { run: await generate(model, tinyIds.slice(0, 70), options, stage), frames };
}
const columnsOf = ({ header, buffer }: Frame) => decodeFrame(header, buffer);

for (const [name, method] of Object.entries(reading)) {
  test(`${name}: pages are listed by step, layer and head, and moves lead to where they are`, async () => {
    const { run } = await recorded(method);
    const columns = columnsOf(run.snapshot());
    const data = (column: string) => [...columns[column]!.data];
    const { layers, kvHeads } = model.config;
    const steps = data('step.index').length;
    for (const column of ['fetch.pages', 'fetch.entries', 'fetch.held'])
      assert.deepEqual(columns[column]!.shape, [steps, layers, kvHeads]);
    const fetched = data('fetch.pages');
    assert.equal(
      data('fetch.page').length,
      fetched.reduce((a, b) => a + b),
    );
    assert.equal(data('fetch.score').length, data('fetch.page').length);
    assert.ok(fetched.some((n) => n > 0) && data('fetch.score').every((v) => !Number.isNaN(v)));
    data('fetch.entries').forEach((entries, i) => {
      const held = data('fetch.held')[i]!;
      assert.ok(entries <= held && entries < held === fetched[i]! > 0);
    });
    const P = columns['page.from']!.shape[0]!;
    assert.deepEqual(data('page.from').slice(1), data('page.to').slice(0, -1));
    const tier = new Uint8Array(layers * kvHeads * P).fill(255);
    data('move.step').forEach((_, i) => {
      const at = (data('move.layer')[i]! * kvHeads + data('move.kvHead')[i]!) * P + data('move.page')[i]!;
      assert.equal(tier[at], data('move.from')[i]);
      tier[at] = data('move.to')[i]!;
    });
    assert.deepEqual([...tier], data('page.tier'));
    // Tiers are the sum of their zones, and zones on device and host together are what is held.
    const [Z, parts] = columns['tier.zones']!.shape.slice(2) as [number, number];
    const zones = data('tier.zones');
    const sumOf = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
    data('tier.held').forEach((bytes, i) => {
      const of = sumOf(zones.slice(i * Z * parts, (i + 1) * Z * parts));
      assert.ok(Math.abs(of - bytes) < 1, `row ${i}: ${of} by zone, ${bytes} held`);
    });
    data('bytes.held').forEach((bytes, i) => {
      const [row, part] = [Math.floor(i / (Z * parts)), i % (Z * parts)];
      const [device, host] = [0, 1].map((tier) => zones[(row * 3 + tier) * Z * parts + part]!);
      assert.ok(Math.abs(device! + host! - bytes) < 1 && device! > -1 && host! >= 0);
    });
    const shares = data('fetch.mass').filter((v) => !Number.isNaN(v));
    // What lies in a file is not compared with.
    assert.ok(shares.length > 100 || method.placeOf('body').disk);
    assert.ok(shares.every((v) => v > 0 && v <= 1));
  });

  test(`${name}: frames merge into the snapshot, and a fork goes on from it`, async () => {
    const { run, frames } = await recorded(method);
    const [merged, whole] = [columnsOf(frames.reduce(mergeFrames)), columnsOf(run.snapshot())];
    for (const column of Object.keys(whole).filter((c) => /^(fetch|page|move|tier)\./.test(c)))
      assert.deepEqual(merged[column], whole[column], column);
    const fork = await run.fork().continue(Array.from(tinyIds.slice(70, 80)), { maxTokens: 4 });
    const grown = columnsOf(fork.snapshot());
    for (const column of ['fetch.page', 'move.page', 'tier.moved'] as const) {
      const before = whole[column]!.data;
      assert.deepEqual([...grown[column]!.data.slice(0, before.length)], [...before]);
      assert.ok(grown[column]!.data.length > before.length);
    }
  });
}

/** The rows of the dense attention that a run recorded, by step, layer and query head. */
function denseRows(columns: Columns): Map<string, Float32Array> {
  const data = (name: string) => columns[`dense.${name}`]!.data;
  const rows = new Map<string, Float32Array>();
  let at = 0;
  data('step').forEach((step, i) => {
    const tokens = data('tokens')[i]!;
    rows.set(
      `${step} ${data('layer')[i]} ${data('queryHead')[i]}`,
      data('share').slice(at, at + tokens) as Float32Array,
    );
    at += tokens;
  });
  assert.equal(at, data('share').length);
  return rows;
}

test('the share of attention that was read, and the rows of heads that are named, are those of an attention over everything', async () => {
  const method = methods.quest({ page: 4, read: 16, exactLayers: 0 });
  const all0 = Array.from({ length: model.config.queryHeads }, (_, queryHead) => ({ layer: 0, queryHead }));
  const { run } = await recorded(method, all0);
  const rows = denseRows(columnsOf(run.snapshot()));
  const ids = [...tinyIds.slice(0, 70), ...run.ids];
  const last = ids.length - 2;
  const { sequence } = await walk(model, method, { prompt: 70, chunk: 16, steps: 0 });
  for (const id of run.ids.slice(0, -2)) await feedToken(sequence, id);
  const dense = forkSequence(sequence);
  const { queryHeads, group } = model.config;
  // What layer 0 gets does not depend on what any layer reads.
  const watch = (layer: (rows: Float32Array[], read: Int32Array[]) => void) => ({
    event() {},
    written() {},
    layer(view: Parameters<typeof wholeRows>[0]) {
      const heads = Array.from({ length: queryHeads }, (_, head) => wholeRows(view, head)[0]!);
      const read = view.cache.tables.map(({ position, count }) => position.slice(0, count));
      if (view.layer === 0) layer(heads, read);
    },
  });
  const seen: { rows: Float32Array[]; read: Int32Array[] }[] = [];
  const keep = watch((rows, read) => seen.push({ rows, read }));
  await feedToken(sequence, ids[last]!, { observer: keep });
  for (const layer of dense.layers)
    Object.assign(layer, { pages: layer.pages.map((zone) => ({ ...zone, fetch: all })) });
  await feedToken(dense, ids[last]!, { observer: keep });
  const mass = columnsOf(run.snapshot())['fetch.mass']!.data.slice(-model.config.layers * queryHeads);
  for (let head = 0; head < queryHeads; head++) {
    const row = seen[1]!.rows[head]!;
    const positions = [...seen[0]!.read[Math.floor(head / group)]!, last];
    const share = positions.reduce((sum, p) => sum + row[p]!, 0);
    assert.ok(Math.abs(share - mass[head]!) < 1e-4, `head ${head}: ${mass[head]} recorded, ${share} of all`);
    const own = rows.get(`${run.ids.length - 1} 0 ${head}`)!;
    assert.equal(own.length, row.length);
    own.forEach((value, p) => {
      assert.ok(Math.abs(value - row[p]!) < 1e-5, `head ${head}, token ${p}: ${value} recorded, ${row[p]} of all`);
    });
  }
});

test('heads that are named have a row for each step, which sums to 1 and holds as much as was read', async () => {
  const method = methods.quest({ page: 4, read: 16, exactLayers: 1 });
  const heads = [
    { layer: 0, queryHead: 1 },
    { layer: 1, queryHead: 0 },
  ];
  const { run } = await recorded(method, heads);
  const columns = columnsOf(run.snapshot());
  const rows = denseRows(columns);
  const steps = [...columns['step.index']!.data];
  assert.equal(rows.size, steps.length * heads.length);
  const { layers, queryHeads } = model.config;
  for (const [i, step] of steps.entries())
    for (const { layer, queryHead } of heads) {
      const row = rows.get(`${step} ${layer} ${queryHead}`)!;
      assert.equal(row.length, columns['step.seen']!.data[i]);
      assert.ok(Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-4);
      const mass = columns['fetch.mass']!.data[(i * layers + layer) * queryHeads + queryHead]!;
      assert.ok(layer === 0 ? mass === 1 : step === 0 || mass < 1, `layer ${layer} keeps ${mass} in step ${step}`);
    }
  const { run: unnamed } = await recorded(method);
  assert.equal(columnsOf(unnamed.snapshot())['dense.step']?.data.length ?? 0, 0, 'nobody asked for rows');
});

test('a head that a panel watches has a row for each step from then on', async () => {
  const heard: ((message: PanelMessage) => void)[] = [];
  const stage: Stage = {
    publish({ header }) {
      if (header.step === 6) for (const listen of heard) listen({ type: 'watch', run: 'run', layer: 1, queryHead: 0 });
    },
    onPanel(listen) {
      heard.push(listen);
      return () => {};
    },
    newId: () => 'run',
    now: () => performance.now(),
  };
  const method = methods.quest({ page: 4, read: 16, exactLayers: 1 });
  const run = await generate(model, tinyIds.slice(0, 70), { method, maxTokens: 12, chunk: 16 }, stage);
  assert.deepEqual(
    [...denseRows(columnsOf(run.snapshot())).keys()],
    [7, 8, 9, 10, 11].map((step) => `${step} 1 0`),
  );
});

test('a method that reads everything from one tier records nothing of the kind', async () => {
  const { run } = await recorded(methods.h2o({ entries: 12 }));
  assert.deepEqual(
    Object.keys(columnsOf(run.snapshot())).filter((c) => /^(fetch|page|move|tier|dense)\./.test(c)),
    [],
  );
});
