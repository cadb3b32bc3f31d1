/** Works when: a gate on hidden states says for each head before attention which tokens are seen and kept. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { above, exact, first, lab, last, type Method, method, methods, tensor, zones } from 'kvlab';
import { fitsOf, fittedFor } from '../../../kernel/src/engine/fit/fitted.ts';
import { sampleText } from '../../../kernel/src/engine/fit/samples.ts';
import type { Model } from '../../../kernel/src/engine/model/load.ts';
import { createSequence } from '../../../kernel/src/engine/run/sequence.ts';
import { feedPrompt } from '../../../kernel/src/engine/run/steps.ts';
import { loadTiny } from '../../engine/tiny-model.ts';
import { apart, sameBits, walk } from '../../engine/walk.ts';

let model: Model;
before(async () => {
  model = await loadTiny('wasm');
});
after(() => model.release());

/** A gate written down by a test: it reads one hidden channel, or nothing. */
function gateOf(own: Method, bias: number, channel?: number) {
  const { layers, kvHeads, hidden } = model.config;
  const gate = tensor([layers, kvHeads, hidden]);
  if (channel !== undefined)
    for (let l = 0; l < layers; l++) for (let h = 0; h < kvHeads; h++) gate.set(1, l, h, channel);
  const [fit] = fitsOf(own);
  const biases = tensor([layers, kvHeads], new Float64Array(layers * kvHeads).fill(bias));
  return new Map([[`${fit!.name}/gate`, gate], [`${fit!.name}/bias`, biases]]); // biome-ignore format: two tensors
}
const plain = methods.full().declaration;
const positional = (rules: Parameters<typeof zones>[0]) =>
  method('by position', {}, () => ({ ...plain, when: ['chunk', 'step'], select: zones(rules), encode: exact }), { paper: '' })(); // biome-ignore format: one line

test('a gate that refuses everything leaves sink, newest tokens and self', async () => {
  const own = methods.attentionGate({ sinks: 1, recent: 2 });
  const found = await walk(model, own, { fitted: gateOf(own, -50), chunk: 26 });
  const expected = await walk(model, positional({ sinks: first(1), recent: last(2) }), { chunk: 26 });
  assert.ok(apart(found.logits, expected.logits) < 1e-5, `apart by ${apart(found.logits, expected.logits)}`);
});

test('a gate that lets everything pass changes no bit of the run', async () => {
  const own = methods.attentionGate();
  const found = await walk(model, own, { fitted: gateOf(own, 50) });
  assert.ok(sameBits(found.logits, (await walk(model, methods.full())).logits));
});

test('what a gate refuses is seen by itself, and whatever the chunks, by nothing behind the newest tokens', async () => {
  const own = methods.attentionGate({ recent: 0 });
  const fitted = gateOf(own, 0, 7);
  const one = await walk(model, own, { fitted, chunk: 1 });
  const whole = await walk(model, own, { fitted, chunk: 26 });
  assert.ok(apart(one.logits, whole.logits) < 1e-5);
  const full = await walk(model, methods.full(), { chunk: 26 });
  assert.ok(apart(whole.logits, full.logits) > 1e-3, 'the gate acts');
  const counts = whole.sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count));
  assert.ok(Math.min(...counts) >= 1 && Math.max(...counts) < 36);
});

test('without a model: p = .9, .8, .2, .1 keeps the first two and the newest', async () => {
  const logit = (p: number) => Math.log(p / (1 - p));
  const own = methods.attentionGate({ sinks: 0, recent: 0 });
  const [fit] = fitsOf(own);
  const fitted = new Map([
    [`${fit!.name}/gate`, tensor([1, 1, 1], [1])],
    [`${fit!.name}/bias`, tensor([1, 1])],
  ]);
  const rows = [[[1], [1], [1], [1]]];
  const hidden = [0.9, 0.8, 0.2, 0.1].map((p) => [logit(p)]);
  const { kept, scores } = await lab.apply(own, { queries: rows, keys: rows, values: rows, hidden, fitted });
  assert.deepEqual([...kept[0]!], [0, 1]);
  for (const [i, p] of [0.9, 0.8, 0.2, 0.1].entries()) assert.ok(Math.abs(scores[0]![i]! - p) < 1e-6);
});

test('about the share that was asked for stays of a text like those of the fit', async () => {
  for (const keep of [0.3, 0.6]) {
    const own = methods.attentionGate({ keep, recent: 0 });
    const found = await walkProse(own);
    assert.ok(Math.abs(found - keep) < 0.12, `${found} of the tokens stay for keep ${keep}`);
  }
});

/** Share of a held-out text that heads keep on average. */
async function walkProse(own: Method): Promise<number> {
  const { ids } = sampleText(model, { samples: 'prose', tokens: 300, seed: 9 }, 0);
  const sequence = createSequence(model, own, 0, await fittedFor(model, own));
  await feedPrompt(sequence, ids);
  const counts = sequence.layers.flatMap(({ tables }) => tables.map(({ count }) => count));
  return counts.reduce((a, b) => a + b, 0) / counts.length / ids.length;
}

test('a rule that compares entries is refused before attention', () => {
  const { declaration } = methods.attentionGate();
  const crowd = { kept: { ...above(0.5), alone: false } };
  assert.throws(
    () => method('crowd', {}, () => ({ ...declaration, select: zones(crowd) }), { paper: '' })(),
    /crowd: the zone kept compares entries .*, which cannot be done before attention; use above, first or last/,
  );
});
