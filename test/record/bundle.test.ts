/** The display bundle of a finished run: four forms that say the same, safe and small enough to be saved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { type Bundle, bundleMime, type Columns, decodeFrame, encodeFrame, type Frame, mergeFrames } from 'kvlab/frame';
import { runBundle } from '../../kernel/src/engine/record/bundle/bundle.ts';
import { recordedRun } from '../panels/recorded-run.ts';
import { pixelsOf, pngPixels } from './png-pixels.ts';
import { syntheticRun } from './synthetic-run.ts';

async function formsOf(snapshot: Frame) {
  const { bundle, metadata } = await runBundle(snapshot);
  return {
    keys: Object.keys(bundle),
    run: bundle[bundleMime] as Bundle,
    html: bundle['text/html'] as string,
    png: bundle['image/png'] as string,
    plain: bundle['text/plain'] as string,
    metadata: metadata as { 'image/png': { width: number; height: number } },
  };
}

const columnsOf = ({ header, base64 }: Bundle): Columns => {
  const bytes = inflateSync(Buffer.from(base64, 'base64'));
  return decodeFrame(header, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
};

const merged = (frames: Iterable<Frame>): Frame => [...frames].reduce(mergeFrames);

test('the bundle names the richest form first and plain text last', async () => {
  const { keys } = await formsOf(syntheticRun());
  assert.deepEqual(keys, [bundleMime, 'text/html', 'image/png', 'text/plain']);
});

test('a short run keeps every column of every frame as it was', async () => {
  const frames = [...recordedRun({ method: 'h2o', steps: 6, layers: 2, queryHeads: 4, kvHeads: 2 })];
  const whole = merged(frames);
  const { run } = await formsOf(whole);
  assert.equal(run.leftOut, '');
  assert.equal(run.header.snapshot, true);
  assert.deepEqual(run.header.texts, whole.header.texts);
  assert.deepEqual(columnsOf(run), decodeFrame(whole.header, whole.buffer));
});

test('a run of 2,000 tokens at 30 layers, 9 and 3 heads stays under 256 KiB and says what is missing', async () => {
  const snapshot = syntheticRun({ promptTokens: 300, writtenTokens: 1700, layers: 30, queryHeads: 9, kvHeads: 3 });
  const { run, plain, html } = await formsOf(snapshot);
  const size = Buffer.byteLength(JSON.stringify(run));
  assert.ok(size <= 256 * 1024, `${size} bytes`);
  assert.ok(size > 128 * 1024, `${size} bytes leave half of the room unused`);
  assert.match(run.leftOut, /evictions/);
  assert.match(run.leftOut, /all but one of \d+ steps/);
  assert.ok(plain.includes(run.leftOut) && html.includes('left out of the panels'));
});

test('what a long run keeps are the numbers of the run, at the steps that it names', async () => {
  const snapshot = syntheticRun({ promptTokens: 300, writtenTokens: 700, layers: 30, queryHeads: 9, kvHeads: 3 });
  const before = decodeFrame(snapshot.header, snapshot.buffer);
  const after = columnsOf((await formsOf(snapshot)).run);
  const numbers = (columns: Columns, name: string) => Array.from(columns[name]!.data);
  assert.deepEqual(numbers(after, 'token.step'), numbers(before, 'token.step'));
  const steps = numbers(after, 'step.index');
  assert.equal(steps[0], 0);
  assert.equal(steps.at(-1), 700);
  for (const name of ['step.seen', 'bytes.held', 'bytes.full', 'sink.mass']) {
    const width = before[name]!.data.length / 701;
    const expected = steps.flatMap((step) => [...before[name]!.data.subarray(step * width, (step + 1) * width)]);
    assert.deepEqual(numbers(after, name), expected, name);
    assert.deepEqual(after[name]!.shape, [steps.length, ...before[name]!.shape.slice(1)]);
  }
});

test('a run whose tokens alone are too many leaves the panels out and keeps picture, table and text', async () => {
  const { keys, plain } = await formsOf(syntheticRun({ promptTokens: 40_000, writtenTokens: 1, evictions: 0 }));
  assert.deepEqual(keys, ['text/html', 'image/png', 'text/plain']);
  assert.match(plain, /too long for a notebook/);
});

test('the picture is a PNG at twice the size that the page gives it', async () => {
  const { png, metadata } = await formsOf(syntheticRun({ writtenTokens: 40 }));
  const pixels = pngPixels(Buffer.from(png, 'base64'));
  assert.equal(pixels.width, metadata['image/png'].width * 2);
  assert.equal(pixels.height, metadata['image/png'].height * 2);
});

test('the survival map hatches tokens that no head holds and inks those that all hold', async () => {
  const all = merged(recordedRun({ method: 'streamingLLM', steps: 30, layers: 2, queryHeads: 4, kvHeads: 2 }));
  const pixels = pngPixels(Buffer.from((await formsOf(all)).png, 'base64'));
  const [held, hatched] = [pixelsOf(pixels, '00224E'), pixelsOf(pixels, 'ECEEF1') + pixelsOf(pixels, 'D3D7DC')];
  // 44 of 149 to 179 tokens are held, all others but the unborn are hatched: about a quarter against the rest.
  assert.ok(held / (held + hatched) > 0.2 && held / (held + hatched) < 0.36, `${held} of ${held + hatched}`);
});

test('a run without evictions shows bytes by zone and where attention sinks', async () => {
  const all = merged(recordedRun({ method: 'kivi', steps: 30, layers: 4, queryHeads: 4, kvHeads: 2 }));
  const { png, plain } = await formsOf(all);
  const pixels = pngPixels(Buffer.from(png, 'base64'));
  assert.ok(pixelsOf(pixels, '00805D') > 10_000, 'the body has its band');
  assert.ok(pixelsOf(pixels, '0072B2') > 10_000, 'the residual has its band');
  assert.match(
    plain,
    /quantization +signal to error: keys \d+\.\d dB, values \d+\.\d dB; in the mean of heads, the write that mattered most moved the attention output by \d+ %/,
  );
  assert.match(plain, /evictions +none/);
});

test('the HTML has no script, no style sheet and nothing to fetch', async () => {
  const { html } = await formsOf(syntheticRun());
  assert.doesNotMatch(
    html,
    /<script|<style|<link|<iframe|<svg|javascript:|\son\w+=|url\(|@import|https?:|src="(?!data:image\/png;base64,)/i,
  );
  assert.match(html, /<img src="data:image\/png;base64,[A-Za-z0-9+/=]+" width="\d+(\.\d+)?" height="\d+(\.\d+)?"/);
});

test('tokens, titles and settings are text in the HTML, whatever they hold', async () => {
  const texts = [
    { text: '<s>', special: true as const },
    { text: '<img src=x onerror=alert(1)>' },
    { text: '</table>\n\n# `code` [a](b)' },
  ];
  const snapshot = syntheticRun({ texts });
  snapshot.header.info!.title = '"><script>alert(1)</script>';
  const { html } = await formsOf(snapshot);
  assert.ok(html.includes('&lt;s&gt;&lt;img src=x onerror=alert(1)&gt;&lt;/table&gt;'));
  assert.equal(html.match(/<\/table>/g)?.length, 1);
  assert.equal(html.match(/<img/g)?.length, 1);
  assert.doesNotMatch(html, /<script|\n\s*#|\[a\]/);
});

test('the text says model, method, setting, tokens, bytes, evictions, sinks, seed and device in twenty lines', async () => {
  const { plain } = await formsOf(syntheticRun());
  assert.ok(plain.split('\n').length <= 20);
  for (const line of [
    /^model +TinyModel: 3 layers, 4 query heads, 2 KV heads of 64$/m,
    /^method +random$/m,
    /^setting +drops entries at random$/m,
    /^tokens +24 of the prompt, 16 written$/m,
    /^bytes held +72\.00 KiB, 60 % of the full cache$/m,
    /^bytes claimed +30\.00 KiB at 16 bits; held is 2\.40 times as much$/m,
    /^full cache +120\.00 KiB for these tokens at this run's precision$/m,
    /^evictions +\d+ entries left; \d+ of 240 held \(\d+ %\); \d+ tokens? in no head$/m,
    /^attention sinks +\d+ % of heads give the first 4 tokens more than 0\.30; mean 0\.\d\d; strongest layer \d head \d with /m,
    /^seed +1$/m,
    /^device +wasm, 2 threads, 20\.\d ms a token \(median\)$/m,
  ])
    assert.match(plain, line);
});

test('an interrupted run says so, and evictions counted in its text are those of its columns', async () => {
  const snapshot = syntheticRun({ state: 'interrupted', evictions: 2 });
  const { plain } = await formsOf(snapshot);
  const kinds = decodeFrame(snapshot.header, snapshot.buffer)['event.kind']!.data;
  const left = [...kinds].filter((kind) => kind === 3).length;
  assert.match(plain, /16 written; interrupted/);
  assert.match(plain, new RegExp(`evictions +${left} entries left; ${240 - left} of 240 held`));
});

test('a run that recorded nothing but its tokens still has a picture and a text', async () => {
  const { header, buffer } = syntheticRun();
  const columns = Object.fromEntries(
    Object.entries(decodeFrame(header, buffer)).filter(([name]) => name.startsWith('token.')),
  );
  const { png, plain } = await formsOf(encodeFrame(header, columns));
  assert.ok(pixelsOf(pngPixels(Buffer.from(png, 'base64')), '16181C') > 0);
  assert.doesNotMatch(plain, /NaN|undefined|bytes/);
});

test('a frame that is no snapshot is refused with what to give instead', async () => {
  const { header, buffer } = syntheticRun();
  const { info: _, ...rest } = header;
  await assert.rejects(
    runBundle({ header: rest, buffer }),
    /bundle: the frame of run synthetic has no info; give the snapshot/,
  );
});
