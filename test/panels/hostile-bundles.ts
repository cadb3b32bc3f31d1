/** Saved runs that somebody has tampered with, each with what the reader says of it. */
import type { Bundle, RunInfo } from 'kvlab/frame';
import { bundleOf } from './packed-frames.ts';

export const soundBundle = bundleOf({ layers: 2, queryHeads: 4, kvHeads: 2, steps: 8 });

type Loose = Record<string, unknown>;
const sound = soundBundle;
const info = sound.header.info!;
const script = '<script>window.broken = 1</script><img src=x onerror="window.broken = 1">';

const withHeader = (change: Loose): Loose => ({ ...sound, header: { ...sound.header, ...change } });
const withInfo = (change: Loose): Loose => withHeader({ info: { ...info, ...change } });
const withMethod = (change: Partial<Record<keyof RunInfo['method'], unknown>>): Loose =>
  withInfo({ method: { ...info.method, ...change } });

/** Changes the declaration of one column. */
const withColumn = (name: string, change: Loose): Loose =>
  withHeader({ columns: sound.header.columns.map((entry) => (entry.name === name ? { ...entry, ...change } : entry)) });

/** Writes one number of a column. */
function withNumber(name: string, value: number): Bundle {
  const { offset, type } = sound.header.columns.find((entry) => entry.name === name)!;
  const bytes = new Uint8Array(Buffer.from(sound.base64, 'base64'));
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
  if (type === 'f64') view.setFloat64(0, value, true);
  else if (type === 'f32') view.setFloat32(0, value, true);
  else if (type === 'u8') view.setUint8(0, value);
  else if (type === 'i32') view.setInt32(0, value, true);
  else view.setUint32(0, value, true);
  return { ...sound, base64: Buffer.from(bytes).toString('base64') };
}

const cyclic: Loose = { ...sound };
cyclic.header = cyclic;

export const hostileBundles: readonly [what: string, bundle: unknown, message: RegExp][] = [
  ['nothing', null, /the output is null/],
  ['a text', '<script>', /the output is <script>/],
  ['another version', { ...sound, version: 99 }, /version is 99, this reader knows 1/],
  ['no buffer', { ...sound, base64: undefined }, /its buffer is undefined/],
  ['a buffer that is no base64', { ...sound, base64: script }, /its buffer is not base64/],
  ['a huge buffer', { ...sound, base64: 'A'.repeat(32 * 2 ** 20) }, /larger than 16 MiB/],
  ['a packing of its own', { ...sound, packed: 'zip' }, /the packing of its buffer is zip/],
  ['a packed buffer that is none', { ...sound, packed: 'deflate' }, /its buffer is damaged/],
  ['itself as a header', cyclic, /header\.type is undefined/],
  ['a header of something else', withHeader({ type: 'point' }), /header\.type is point/],
  ['a header without a run', withHeader({ info: undefined }), /header\.info is undefined/],
  ['a billion steps', withHeader({ step: 2 ** 30 }), /header\.step is 1073741824/],
  ['a model of a billion layers', withInfo({ model: { ...info.model, layers: 1e9 } }), /model\.layers is 1000000000/],
  ['a model of a million heads', withInfo({ model: { ...info.model, layers: 1024, kvHeads: 1024 } }), /heads x tokens/],
  ['half a layer', withInfo({ model: { ...info.model, layers: 1.5 } }), /model\.layers is 1\.5/],
  ['a prompt longer than memory', withInfo({ promptLength: 1e12 }), /promptLength is 1000000000000/],
  ['more tokens and steps than memory', { ...withInfo({ maxTokens: 2 ** 17 }), ...tall() }, /steps x tokens/],
  ['a seed that is code', withInfo({ seed: 'process.exit()' }), /seed is process\.exit\(\)/],
  ['zones that are no list', withInfo({ zones: 'fresh' }), /zones is fresh, a list is needed/],
  ['a title that is an object', withInfo({ title: { toString: script } }), /title is object, a text is needed/],
  ['a title as long as a book', withInfo({ title: 'x'.repeat(10_000) }), /a text of at most 2000/],
  ['a method that calls something', withMethod({ call: 'methods.h2o({ keep: process.exit() })' }), /method\.call is/],
  ['a method of another library', withMethod({ call: 'process.exit()' }), /method\.call is process\.exit/],
  ['a sampler that is code', withInfo({ sampler: '(() => 1)()' }), /sampler is \(\(\) => 1\)\(\)/],
  [
    'options under names of the prototype',
    withMethod({ options: JSON.parse('{"__proto__": 1}') }),
    /a key of .*__proto__/,
  ],
  ['slots that it has not', withMethod({ slots: [{ slot: 'evil', text: '', neutral: true }] }), /slot is evil/],
  ['an operator outside the repository', withMethod({ slots: [slotIn('../../.ssh/id_rsa')] }), /file is/],
  ['an operator under an address', withMethod({ slots: [slotIn('javascript:alert(1)')] }), /file is javascript/],
  ['tokens that are objects', withHeader({ texts: [{ text: {} }] }), /texts\[0\]\.text is object/],
  ['a token as long as a book', withHeader({ texts: [{ text: 'x'.repeat(10_000) }] }), /at most 1000 characters/],
  ['a million tokens', withHeader({ texts: new Array(2 ** 20).fill({ text: 'x' }) }), /texts\.length is 1048576/],
  ['fewer texts than tokens', withHeader({ texts: sound.header.texts.slice(1) }), /axis n of token\.id/],
  ['columns that are no list', withHeader({ columns: { length: 1e9 } }), /columns is object, a list is needed/],
  ['a column that comes twice', withHeader({ columns: [...sound.header.columns, sound.header.columns[0]] }), /once/],
  ['a column with a negative shape', withColumn('token.id', { shape: [-1] }), /shape\[0\] is -1/],
  ['a column of a billion rows', withColumn('token.id', { shape: [2 ** 26] }), /the frame is damaged/],
  ['a column behind the buffer', withColumn('token.id', { offset: 2 ** 29 }), /the frame is damaged/],
  ['a column with an axis too many', withColumn('token.id', { shape: [1, 1] }), /the shape of token\.id/],
  ['a column of another type', withColumn('token.id', { type: 'f32' }), /the type of token\.id is Float32Array/],
  ['a column in the other lane', withColumn('token.id', { lane: 'state' }), /the lane of token\.id is state/],
  ['bytes that are no number', withNumber('bytes.held', Number.NaN), /bytes\.held\[0\] is NaN/],
  ['bytes below nothing', withNumber('bytes.claimed', -1), /bytes\.claimed\[0\] is -1/],
  ['an infinite mass', withNumber('sink.mass', Number.POSITIVE_INFINITY), /sink\.mass\[0\] is Infinity/],
  ['an event in no layer', withNumber('event.layer', 200), /event\.layer\[0\] is 200/],
  ['an event of no kind', withNumber('event.kind', 99), /event\.kind\[0\] is 99/],
  ['an event at no token', withNumber('event.position', 2 ** 31), /event\.position\[0\]/],
  ['an event after the end', withNumber('event.step', 2 ** 31), /event\.step\[0\]/],
  ['a zone without a name', withNumber('entry.zoneKeys', 77), /entry\.zoneKeys\[0\] is 77/],
];

function slotIn(file: string): Loose {
  return { slot: 'score', text: 'sum', neutral: false, file };
}

/** A header of many steps for few heads. */
function tall(): Loose {
  return {
    header: {
      ...sound.header,
      step: 2 ** 16,
      info: { ...info, maxTokens: 2 ** 17, model: { ...info.model, layers: 1, kvHeads: 1 } },
    },
  };
}

/** A sound run whose words are markup: it is shown, as text. */
export const bundleOfMarkup: Bundle = {
  ...sound,
  leftOut: script,
  header: {
    ...sound.header,
    info: {
      ...info,
      title: script,
      device: script,
      leftOut: script,
      model: { ...info.model, name: script },
      method: {
        ...info.method,
        name: script,
        setting: script,
        paper: 'javascript:window.broken = 1',
        departures: [script],
        slots: info.method.slots.map((slot) => ({ ...slot, text: script })),
      },
    },
    texts: sound.header.texts.map(() => ({ text: script })),
  },
};
