/** Why a token left that was merged: which entry took it in, with what weight, and what became of that entry, on a run of D2O. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { lab, methods } from 'kvlab';
import { type Columns, decodeFrame, eventKinds, type Frame } from 'kvlab/frame';
import { whyLines } from '../../lab-extension/src/panels/eviction-timeline/describe.ts';
import { whyOf } from '../../lab-extension/src/panels/eviction-timeline/why.ts';
import { type Run, runOf } from '../../lab-extension/src/store/run.ts';
import { gone } from '../../lab-extension/src/store/survival.ts';
import { tinyPath } from '../engine/tiny-model.ts';

let frame: Frame;
let columns: Columns;
let run: Run;
interface Merged {
  step: number;
  layer: number;
  kvHead: number;
  position: number;
  into: number;
  weight: number;
}
let merged: Merged[];
const event = (name: string) => columns[`event.${name}`]!.data;
before(async () => {
  const model = await lab.load(tinyPath, { device: 'wasm', threads: 1 });
  const prompt = 'The captain counts again and writes the number on a slate. '.repeat(4);
  const made = await lab.generate(model, prompt, { method: methods.d2o({ keep: 0.3, untouched: [] }), maxTokens: 24 });
  frame = made.snapshot();
  await model.release();
  columns = decodeFrame(frame.header, frame.buffer);
  run = runOf(frame.header, frame.buffer);
  merged = Array.from(event('kind')).flatMap((kind, row) => {
    if (eventKinds[kind] !== 'merge') return [];
    const of = (name: string) => event(name)[row]!;
    return [{ step: of('step'), layer: of('layer'), kvHead: of('kvHead'), position: of('position'), into: of('into'), weight: of('weight') }]; // biome-ignore format: one line
  });
});

test('entries that one entry took in at a step weigh at most their part of it, and what left without a taker weighs nothing', () => {
  assert.ok(merged.length > 20, `${merged.length} merged`);
  for (const one of merged) {
    const beside = merged.filter((o) => o.step === one.step && o.layer === one.layer && o.kvHead === one.kvHead && o.into === one.into); // biome-ignore format: one line
    assert.ok(one.weight > 0 && one.weight <= 1 / (1 + beside.length) + 1e-6, `${one.weight} of ${beside.length}`);
  }
  const lost = Array.from(event('kind')).flatMap((kind, row) => (eventKinds[kind] === 'leave' ? [row] : []));
  assert.ok(lost.length > 20 && lost.every((row) => Number.isNaN(event('weight')[row])));
});

test('the why card of a merged token names the entry that took it in and its weight', () => {
  const one = merged[0]!;
  const why = whyOf(run, run.step, one.layer, one.kvHead, one.position)!;
  assert.equal(why.zone, undefined);
  assert.equal(why.event!.kind, 'merge');
  assert.deepEqual([why.event!.into!.position, why.event!.into!.weight], [one.into, one.weight]);
  const line = whyLines(run, why).at(-1)!;
  assert.ok(line.startsWith(`merged into ${one.into} `), line);
  assert.ok(line.includes(`weight ${one.weight.toFixed(2)}`), line);
});

test('it says whether that entry is still held, or when it left itself', () => {
  const leftLater = ({ step, layer, kvHead, into }: Merged) =>
    Array.from(event('to')).findIndex(
      (to, row) => to === gone && event('step')[row]! > step && event('layer')[row] === layer && event('kvHead')[row] === kvHead && event('position')[row] === into, // biome-ignore format: one line
    );
  const [stays, leaves] = [merged.find((one) => leftLater(one) < 0)!, merged.find((one) => leftLater(one) >= 0)!];
  const line = ({ layer, kvHead, position }: Merged, step = run.step) =>
    whyLines(run, whyOf(run, step, layer, kvHead, position)!).at(-1)!;
  assert.match(line(stays), /; still held$/);
  const left = event('step')[leftLater(leaves)]!;
  assert.ok(line(leaves).endsWith(`; which left at step ${left}`), line(leaves));
  assert.match(line(leaves, left - 1), /; still held$/);
});
