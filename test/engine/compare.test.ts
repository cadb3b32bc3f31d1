/** Comparison on the fixture model: lanes in lock step, free texts, the record that panels draw, and what is refused. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { methods } from '@kvlab/ops';
import { lab } from 'kvlab';
import { type Bundle, bundleMime, decodeFrame, type Frame } from 'kvlab/frame';
import type { Model } from '../../kernel/src/engine/model/load.ts';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { setHost } from '../../kernel/src/host.ts';
import type { LabComparison } from '../../kernel/src/lab.ts';
import { loadTiny, tinyIds } from './tiny-model.ts';

const prompt = tinyIds.slice(0, 60);
const tested = [methods.h2o({ keep: 0.3 }), methods.window({ recent: 8 }), methods.kivi({ group: 8, residual: 16 })];
const frames: Frame[] = [];
let model: Model;
let both: LabComparison;
before(async () => {
  model = await loadTiny('wasm');
  const host = { display() {}, onPanel: () => () => {}, show() {}, point() {}, signal: () => undefined };
  setHost({ ...host, publish: (frame) => void frames.push(frame) });
  both = await lab.compare(model, prompt, { methods: tested, mode: 'both', maxTokens: 12 });
  setHost(undefined);
});
after(() => model.release());

const columnsOf = (frame: Frame) => decodeFrame(frame.header, frame.buffer);

describe('compare', () => {
  test("in free mode each method writes what lab.generate writes with it, and diverges where its ids leave the full cache's", async () => {
    const [full, ...others] = both.results;
    for (const [i, { free, method }] of both.results.entries()) {
      const alone = await lab.generate(model, prompt, {
        method: i ? tested[i - 1]! : methods.full(),
        maxTokens: 12,
        record: false,
      });
      assert.deepEqual([...free!.ids], [...alone.ids], method);
      assert.equal(free!.text, alone.text);
    }
    for (const { free } of others) {
      const same = [...full!.free!.ids].findIndex((id, at) => id !== free!.ids[at]);
      assert.equal(free!.divergesAt, same < 0 ? undefined : same);
    }
    assert.ok(others.some(({ free }) => free!.divergesAt !== undefined));
    assert.equal(full!.free!.divergesAt, undefined);
  });

  test('forced figures are the same alone and beside free texts, with and without panels that watch', async () => {
    const alone = await lab.compare(model, prompt, { methods: tested, maxTokens: 12, record: false });
    both.results.forEach(({ kl, nll, top1 }, p) => {
      assert.deepEqual(kl, alone.results[p]!.kl);
      assert.deepEqual(nll, alone.results[p]!.nll);
      assert.deepEqual(top1, alone.results[p]!.top1);
    });
    assert.ok(alone.results.every(({ free }) => free === undefined));
  });

  test('free mode alone judges nothing: no KL and no perplexity', async () => {
    const { results, ids } = await lab.compare(model, prompt, { methods: tested, mode: 'free', maxTokens: 6 });
    assert.deepEqual([...ids], [...results[0]!.free!.ids]);
    for (const { kl, meanKl, perplexity, free } of results) {
      assert.equal(kl.length, 0);
      assert.ok(Number.isNaN(meanKl) && Number.isNaN(perplexity));
      assert.ok(free!.text.length > 0 && free!.bytes.held.total > 0);
    }
  });

  test('with one seed, sampled texts of methods that lose nothing are the same', async () => {
    const sampler = { temperature: 1 };
    const options = { methods: [methods.h2o({ keep: 1 })], mode: 'free', maxTokens: 8, sampler } as const;
    const [one, two] = [
      await lab.compare(model, prompt, { ...options, seed: 3 }),
      await lab.compare(model, prompt, { ...options, seed: 4 }),
    ];
    assert.equal(one.results[1]!.free!.divergesAt, undefined);
    assert.notDeepEqual([...one.ids], [...two.ids]);
  });

  test('the record says after each token what the results say at the end', () => {
    const { header, buffer } = both.snapshot();
    const columns = decodeFrame(header, buffer);
    const P = 4;
    for (const [p, { kl, top1, nll, bytes }] of both.results.entries()) {
      const lane = (name: string) => Array.from(columns[name]!.data).filter((_, i) => i % P === p);
      assert.deepEqual(lane('compare.kl'), Array.from(kl));
      assert.deepEqual(lane('compare.top1'), Array.from(top1));
      assert.deepEqual(lane('compare.nll'), Array.from(nll));
      assert.equal(lane('compare.held').at(-1), bytes.held.total);
      assert.equal(lane('compare.claimed').at(-1), bytes.claimed);
    }
    assert.deepEqual(
      header.info!.comparison!.lanes.map(({ method }) => method),
      ['full', 'H2O', 'window', 'KIVI'],
    );
    const own = (lane: number) =>
      [...columns['token.id']!.data].filter((_, row) => columns['token.lane']!.data[row] === lane);
    both.results.forEach(({ free }, p) => {
      assert.deepEqual(own(p), [...free!.ids]);
    });
    assert.deepEqual(own(255), [...prompt, ...both.ids]);
  });

  test('its table has one row for each method and token, and a saved comparison is the comparison', async () => {
    const rows = both.table().objects() as { method: string; kl: number; text: string; id: number }[];
    assert.equal(rows.length, 4 * both.ids.length);
    assert.deepEqual(
      rows.filter(({ method }) => method === 'H2O').map(({ kl, id }) => [kl, id]),
      [...both.results[1]!.kl].map((kl, i) => [kl, both.ids[i]]),
    );
    const folder = mkdtempSync(join(tmpdir(), 'kvlab-compare-'));
    const path = join(folder, 'comparison.arrow.gz');
    await both.save(path);
    const opened = await lab.open(path);
    rmSync(folder, { recursive: true });
    assert.equal(opened.info.comparison!.mode, 'both');
    assert.deepEqual(opened.table('comparison').objects(), both.table().objects());
    assert.throws(() => opened.table('bytes'), /has no bytes.held for table bytes/);
  });

  test('the survival that is recorded is that of the caches', async () => {
    const columns = columnsOf(both.snapshot());
    const at = (name: string) => columns[`hold.${name}`]!.data;
    const heads = model.config.layers * model.config.kvHeads;
    const { ids } = both;
    for (const [p, method] of tested.entries()) {
      const scored = await lab.score(model, [...prompt, ...ids.slice(0, -1)], { method, prefill: 60, logitsAt: [70] });
      const holding = new Array<number>(71).fill(heads);
      at('lane').forEach((lane, row) => {
        if (lane === p + 1) holding[at('position')[row]!] = at('heads')[row]!;
      });
      const kept = new Array<number>(71).fill(0);
      for (let layer = 0; layer < model.config.layers; layer++)
        for (let kvHead = 0; kvHead < model.config.kvHeads; kvHead++)
          for (const position of scored.kept(layer, kvHead)) kept[position]! += 1;
      assert.deepEqual(holding, kept, method.name);
    }
  });

  test('each lane is a run of its own for the other panels, at the same steps', () => {
    const runs = Map.groupBy(frames, ({ header }) => header.run);
    const infos = [...runs.values()].map((list) => list[0]!.header.info!);
    const comparison = infos.find((info) => info.comparison)!;
    const lanes = infos.filter((info) => info.laneOf);
    assert.deepEqual(
      comparison.comparison!.lanes.map(({ run }) => run),
      lanes.map(({ run }) => run),
    );
    assert.deepEqual(
      lanes.map(({ laneOf, method }) => [laneOf!.comparison, laneOf!.lane, method.name]),
      ['full', 'H2O', 'window', 'KIVI'].map((name, lane) => [comparison.run, lane, name]),
    );
    for (const { run } of lanes) assert.equal(runs.get(run)!.at(-1)!.header.state, 'finished');
    assert.equal(runs.get(lanes[1]!.run)!.at(-1)!.header.step, 11);
  });

  test('the cell keeps the comparison in four forms that name every method', async () => {
    const { bundle } = await runBundle(both.snapshot());
    assert.deepEqual(Object.keys(bundle), [bundleMime, 'text/html', 'image/png', 'text/plain']);
    assert.equal((bundle[bundleMime] as Bundle).leftOut, '');
    for (const form of ['text/html', 'text/plain'])
      for (const { meanKl, method } of both.results) {
        assert.ok((bundle[form] as string).includes(method === 'full' ? 'full cache' : method), form);
        assert.ok((bundle[form] as string).includes(`mean KL ${meanKl.toFixed(3)}`), form);
      }
    assert.doesNotMatch(bundle['text/html'] as string, /<script|<style|https?:/);
  });

  test('a comparison that is interrupted ends with the reason, and its record says so', async () => {
    const stop = new AbortController();
    const seen: Frame[] = [];
    setHost({
      publish: (frame) => void seen.push(frame),
      display() {},
      onPanel: () => () => {},
      show() {},
      point() {},
      signal: () => undefined,
    });
    try {
      const onStep = (step: number) => step === 3 && stop.abort(new Error('enough'));
      const options = { methods: tested, maxTokens: 12, signal: stop.signal, onStep };
      await assert.rejects(lab.compare(model, prompt, options), /enough/);
    } finally {
      setHost(undefined);
    }
    assert.equal(seen.at(-1)!.header.state, 'interrupted');
  });

  test('modes, methods and answers that make no sense are refused', async () => {
    const refuse = (options: object, words: RegExp) =>
      assert.rejects(lab.compare(model, prompt, { methods: tested, ...options }), words);
    await refuse({ mode: 'fast' }, /mode is "fast"; give 'forced', 'free' or 'both'/);
    await refuse({ methods: [] }, /there are no methods; give at least one/);
    await refuse({ methods: Array(16).fill(methods.full()) }, /there are 16 methods; give at most 15/);
    await refuse({ mode: 'free', answer: 'x' }, /free mode lets each method write its own answer/);
    await refuse({ maxTokens: 0 }, /maxTokens is 0; give a whole number from 1/);
    await refuse({ answer: [] }, /the answer is empty/);
    await refuse({ sampler: { topP: 2 } }, /topP is 2/);
  });
});
