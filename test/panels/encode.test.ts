/** Data to drawing, and data to words, for each panel: without a browser, against numbers counted another way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteParts, type Columns, decodeFrame, encodeFrame } from 'kvlab/frame';
import { themeOf } from '../../lab-extension/src/draw/theme.ts';
import { describeSinks } from '../../lab-extension/src/panels/attention-sinks/describe.ts';
import { encodeSinks, sinkSeries } from '../../lab-extension/src/panels/attention-sinks/encode.ts';
import { describeEviction } from '../../lab-extension/src/panels/eviction-timeline/describe.ts';
import {
  cellGone,
  cellHeld,
  cellUnborn,
  encodeEviction,
  lifetimeOf,
} from '../../lab-extension/src/panels/eviction-timeline/encode.ts';
import { describeHeavy } from '../../lab-extension/src/panels/heavy-hitters/describe.ts';
import { concentration, encodeHeavy, shareAt } from '../../lab-extension/src/panels/heavy-hitters/encode.ts';
import { describeMemory } from '../../lab-extension/src/panels/memory-over-time/describe.ts';
import { encodeMemory } from '../../lab-extension/src/panels/memory-over-time/encode.ts';
import { describeErrors } from '../../lab-extension/src/panels/quantization-error/describe.ts';
import { encodeErrors, errorLevel } from '../../lab-extension/src/panels/quantization-error/encode.ts';
import { describeTokenStrip } from '../../lab-extension/src/panels/token-strip/describe.ts';
import { encodeTokenStrip } from '../../lab-extension/src/panels/token-strip/encode.ts';
import type { Said } from '../../lab-extension/src/panels/words.ts';
import type { Run } from '../../lab-extension/src/store/run.ts';
import { createStore, receiveFrame, shownRun } from '../../lab-extension/src/store/store.ts';
import { headHistory } from '../../lab-extension/src/store/survival.ts';
import { type RecordedOptions, recordedRun } from './recorded-run.ts';

const small: RecordedOptions = { layers: 4, queryHeads: 6, kvHeads: 2, steps: 40 };
const theme = themeOf('light', '#ffffff', 'sans-serif', 'monospace');

function runOf(options: RecordedOptions): Run {
  const store = createStore();
  for (const { header, buffer } of recordedRun(options)) receiveFrame(store, header, buffer);
  return shownRun(store)!;
}
const words = (said: Said) => said.caption.map((phrase) => phrase.text).join('');
const h2o = runOf({ ...small, method: 'h2o' });
const kivi = runOf({ ...small, method: 'kivi' });
const wholeMap = (run: Run, bins: { columnBin: number; rowBin: number } = { columnBin: 1, rowBin: 1 }) => ({
  from: 0,
  positions: run.texts.length,
  steps: 40,
  ...bins,
});

test('special tokens, white space, byte pieces, markup and right-to-left text are drawn as themselves', () => {
  const tokens = encodeTokenStrip(h2o, 40);
  assert.deepEqual(
    tokens.slice(0, 7).map((token) => [token.shown, token.special]),
    [
      ['<|im_start|>', true],
      ['user', false],
      ['↵', false],
      ['<s>', false],
      ['⇥', false],
      ['⟨e2 80⟩', true],
      [' שלום', false],
    ],
  );
});

test('the strip counts tokens up to the step that is shown', () => {
  for (const step of [0, 7, 40]) {
    const tokens = encodeTokenStrip(h2o, step);
    assert.equal(tokens.length, h2o.info.promptLength + step);
    assert.match(words(describeTokenStrip(h2o, tokens, [], theme.ink)), new RegExp(`^${tokens.length} tokens;`));
  }
});

test('share of sinks and strongest head are those of the step that is shown', () => {
  const column = h2o.log.get('sink.mass')!;
  for (const step of [0, 13, 40]) {
    const drawing = encodeSinks(h2o, [step, step])!;
    const row = Array.from(column.data.subarray(step * 24, (step + 1) * 24));
    assert.equal(drawing.sinkShare, row.filter((mass) => mass > 0.3).length / 24);
    assert.equal(drawing.strongest.mass, Math.max(...row));
    assert.match(
      words(describeSinks(h2o, [step, step], drawing, [], undefined)),
      new RegExp(`^Step ${step}: ${Math.round(drawing.sinkShare * 100)} % of heads`),
    );
  }
  assert.equal(sinkSeries(h2o, 13, 1, 2).head.length, 14);
});

test('bands of memory sum to what is held, and held is the sum over zones and parts', () => {
  for (const run of [h2o, kivi]) {
    const memory = encodeMemory(run, 40)!;
    const held = run.log.get('bytes.held')!;
    const width = run.info.zones.length * byteParts.length;
    for (let row = 0; row < held.rows; row++) {
      const sum = Array.from(held.data.subarray(row * width, (row + 1) * width), Number).reduce((a, b) => a + b, 0);
      const bands = memory.bands.reduce((total, band) => total + band.bytes[row]!, 0);
      assert.ok(Math.abs(bands - sum) < 1e-6 * sum, `row ${row} of ${run.info.method.name}`);
      assert.ok(memory.held[row]! >= memory.claimed![row]!, 'held is not less than claimed');
    }
    assert.match(
      words(describeMemory(run, memory, 'held')),
      new RegExp(`^Held ${(memory.held[40]! / 2 ** 20).toFixed(2)} MiB`),
    );
  }
});

test('bytes count KV heads, not query heads', () => {
  const memory = encodeMemory(runOf({ ...small, method: 'full' }), 40)!;
  const payload = memory.bands.find((band) => band.name === 'fresh')!;
  assert.equal(payload.bytes[40], h2o.texts.length * 4 * 2 * 64 * 4 * 2);
});

test('keys and values are separate bands where a method quantizes, and scales are named', () => {
  assert.deepEqual(
    encodeMemory(kivi, 40)!.bands.map((band) => band.name),
    ['body K', 'body V', 'scales', 'residual K', 'residual V', 'slack, index'],
  );
  assert.deepEqual(
    encodeMemory(h2o, 40)!.bands.map((band) => band.name),
    ['heavy', 'recent', 'slack, index'],
  );
});

test('a cell of the map is unborn, gone, or the number of heads that hold the token', () => {
  const drawing = encodeEviction(h2o, 40, undefined, wholeMap(h2o));
  for (let step = 0; step <= 40; step++)
    for (let position = 0; position < h2o.texts.length; position++) {
      const cell = drawing.cells[step * drawing.columns + position]!;
      let holding = 0;
      for (let head = 0; head < 8; head++) {
        const history = histories[head]!;
        if (history[step * h2o.texts.length + position] !== 255) holding++;
      }
      const born = position < h2o.info.promptLength + step;
      assert.equal(cell, born ? (holding === 0 ? cellGone : cellHeld + holding) : cellUnborn, `${position} at ${step}`);
    }
});
const histories = Array.from({ length: 8 }, (_, head) => headHistory(h2o, head >> 1, head & 1, 'keys', 41));

test('one head shows zones, and each head keeps what its budget says', () => {
  const drawing = encodeEviction(h2o, 40, { layer: 1, kvHead: 0 }, wholeMap(h2o));
  const row = drawing.cells.subarray(40 * drawing.columns, 41 * drawing.columns);
  const count = (zone: number) => row.filter((cell) => cell === cellHeld + zone).length;
  assert.equal(count(h2o.info.zones.indexOf('recent')), 15);
  assert.equal(count(h2o.info.zones.indexOf('heavy')), 15);
  assert.match(
    words(describeEviction(h2o, [0, 40], drawing, { layer: 1, kvHead: 0 }, [], theme)),
    /15 heavy, 15 recent|15 recent, 15 heavy/,
  );
});

test('a binned column shows the token that most heads hold', () => {
  const fine = encodeEviction(h2o, 40, undefined, wholeMap(h2o));
  const binned = encodeEviction(h2o, 40, undefined, wholeMap(h2o, { columnBin: 3, rowBin: 1 }));
  for (let column = 0; column < binned.columns; column++) {
    const cells = [0, 1, 2]
      .map((i) => fine.cells[40 * fine.columns + column * 3 + i] ?? 0)
      .slice(0, fine.columns - column * 3);
    assert.equal(binned.cells[40 * binned.columns + column], Math.max(...cells));
  }
});

test('a lifetime adds up: heads that hold a token and heads that dropped it are all heads', () => {
  for (let position = 0; position < h2o.texts.length; position += 7) {
    const life = lifetimeOf(h2o, position, 40)!;
    const dropped = life.drops.reduce((sum, drop) => sum + drop.heads, 0);
    assert.equal(life.holding.at(-1)! + dropped, 8);
    assert.match(
      words(
        describeEviction(h2o, [0, 40], encodeEviction(h2o, 40, undefined, wholeMap(h2o)), undefined, [position], theme),
      ),
      new RegExp(`^Token ${position} .*${life.holding.at(-1)} of 8 heads`),
    );
  }
});

test('the concentration curve ends at one and its marks are counted by hand', () => {
  const drawing = encodeHeavy(h2o)!;
  const curve = concentration(drawing, 3);
  assert.ok(Math.abs(curve.shares.at(-1)! - 1) < 1e-5);
  const scores = Array.from(drawing.scores.subarray(3 * drawing.tokens, 4 * drawing.tokens)).sort((a, b) => b - a);
  const top = Math.ceil(0.05 * drawing.tokens);
  const share = scores.slice(0, top).reduce((a, b) => a + b, 0) / scores.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(shareAt(curve, 0.05) - share) < 1e-5);
});

test('all four error maps share one scale, and exact tokens have no error', () => {
  const drawing = encodeErrors(kivi)!;
  const tokens = drawing.tokens.keys.columns;
  for (let position = tokens - 10; position < tokens; position++)
    assert.equal(errorLevel(drawing, drawing.tokens.values.values[position]!), 0);
  const all = [drawing.channels, drawing.tokens]
    .flatMap(({ keys, values }) => [...keys.values, ...values.values])
    .filter((v) => v > 0);
  assert.equal(drawing.high, Math.max(...all));
  assert.equal(drawing.worst.error, Math.max(...drawing.channels.keys.values, ...drawing.channels.values.values));
});

test('a method that stores rows exactly says so, with a cell that changes it', () => {
  const said = describeErrors(h2o, 40, undefined, undefined);
  assert.match(words(said), /H2O stores every row exactly/);
  assert.match(said.missing!.cell!.source, /methods\.kivi/);
});

test('before the first run every panel says what it waits for and offers a cell', () => {
  const empty = [
    describeTokenStrip(undefined, [], [], theme.ink),
    describeSinks(undefined, [0, 0], undefined, [], undefined),
    describeEviction(undefined, [0, 0], undefined, undefined, [], theme),
    describeMemory(undefined, undefined, 'held'),
    describeHeavy(undefined, 0, undefined, undefined, undefined, undefined, true),
    describeErrors(undefined, 0, undefined, undefined),
  ];
  for (const said of empty) {
    assert.equal(said.missing!.title, 'No run yet');
    assert.match(said.missing!.cell!.source, /lab\.generate\(model, prompt/);
  }
});

test('no panel speaks of perplexity: a policy is not judged by its own text', () => {
  const said = [
    describeTokenStrip(h2o, encodeTokenStrip(h2o, 40), [], theme.ink),
    describeMemory(h2o, encodeMemory(h2o, 40), 'held'),
    describeEviction(h2o, [0, 40], encodeEviction(h2o, 40, undefined, wholeMap(h2o)), undefined, [], theme),
  ];
  assert.doesNotMatch(JSON.stringify(said), /perplexity/i);
});

test('while the prompt is read, panels count its tokens and do not say that anything is missing', () => {
  const [first] = recordedRun(small);
  const columns = decodeFrame(first!.header, first!.buffer);
  const read: Columns = {};
  for (const [name, { lane, data }] of Object.entries(columns))
    if (name.startsWith('token.')) read[name] = { lane, shape: [50], data: data.slice(0, 50) };
  const { header, buffer } = encodeFrame({ ...first!.header, texts: first!.header.texts.slice(0, 50) }, read);
  const store = createStore();
  receiveFrame(store, header, buffer);
  const run = shownRun(store)!;
  const map = encodeEviction(run, 0, undefined, wholeMap(run));
  const said = [
    describeSinks(run, [0, 0], encodeSinks(run, [0, 0]), [], undefined),
    describeMemory(run, encodeMemory(run, 0), 'held'),
    describeHeavy(run, 0, encodeHeavy(run), undefined, undefined, undefined, true),
    describeEviction(run, [0, 0], map, undefined, [], theme),
  ];
  for (const one of said) {
    assert.equal(one.missing, undefined);
    assert.equal(words(one), `Step 0: reading the prompt, 50 of ${run.info.promptLength} tokens.`);
  }
});
