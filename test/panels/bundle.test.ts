/** Saved runs are data from anybody: sound ones are read, all others are refused with what is wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bundle, mergeFrames } from 'kvlab/frame';
import { readBundle } from '../../lab-extension/src/store/bundle.ts';
import { createStore, receiveFrame, shownRun } from '../../lab-extension/src/store/store.ts';
import { bundleOf } from './packed-frames.ts';
import { recordedRun } from './recorded-run.ts';

const small = { layers: 2, queryHeads: 4, kvHeads: 2, steps: 8 };
const sound = bundleOf(small);

test('a bundle gives back the run that was saved', async () => {
  const { header, buffer } = await readBundle(JSON.parse(JSON.stringify(sound)));
  const store = createStore();
  receiveFrame(store, header, buffer);
  const whole = [...recordedRun(small)].reduce(mergeFrames);
  assert.deepEqual(shownRun(store)!.texts, whole.header.texts);
  assert.equal(buffer.byteLength, whole.buffer.byteLength);
});

const info = sound.header.info!;
const hostile: [string, unknown, RegExp][] = [
  ['nothing', null, /the output holds null/],
  ['a text', '<script>', /the output holds string/],
  ['another version', { ...sound, version: 99 }, /version is 99, this reader knows 1/],
  ['no buffer', { ...sound, base64: undefined }, /it has no buffer/],
  ['a buffer that is no base64', { ...sound, base64: '<img src=x>' }, /its buffer is not base64/],
  ['a huge buffer', { ...sound, base64: 'A'.repeat(32 * 2 ** 20) }, /larger than 16 MiB/],
  ['a header of something else', { ...sound, header: { type: 'point' } }, /its header is no frame/],
  ['a model of a billion layers', withInfo({ model: { ...info.model, layers: 1e9 } }), /which model and method/],
  ['a prompt longer than memory', withInfo({ promptLength: 1e12 }), /which model and method/],
  ['zones that are no list', withInfo({ zones: 'fresh' as never }), /which model and method/],
  [
    'tokens that are objects',
    { ...sound, header: { ...sound.header, texts: [{ text: {} }] } },
    /its tokens are not texts/,
  ],
  [
    'columns with negative shapes',
    { ...sound, header: { ...sound.header, columns: [{ name: 'token.id', shape: [-1], offset: 0 }] } },
    /list of columns is damaged/,
  ],
];

function withInfo(change: Partial<typeof info>): Bundle {
  return { ...sound, header: { ...sound.header, info: { ...info, ...change } } };
}

for (const [what, bundle, message] of hostile)
  test(`a bundle with ${what} is refused`, async () => {
    await assert.rejects(readBundle(bundle), message);
  });

test('columns that leave the buffer are refused when they are read', async () => {
  const [first, ...rest] = sound.header.columns;
  const long = { ...sound, header: { ...sound.header, columns: [{ ...first!, shape: [1e6] }, ...rest] } };
  const { header, buffer } = await readBundle(long);
  assert.throws(() => receiveFrame(createStore(), header, buffer), /the frame is damaged/);
});
