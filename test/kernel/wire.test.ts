import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { toCodePoints, toUnits } from '../../kernel/src/protocol/cursor.ts';
import { decode, encode, type Header, type Message, signer } from '../../kernel/src/protocol/messages.ts';
import { startKernel, type TestKernel } from './client.ts';

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
});
after(() => kernel.stop());

const header = (type: string, session = 'fuzz'): Header => ({
  msg_id: randomUUID(),
  session,
  username: 'fuzz',
  date: new Date().toISOString(),
  msg_type: type,
  version: '5.5',
});
const message = (type: string, content = {}): Message => ({
  identities: [],
  header: header(type),
  parent: {},
  metadata: {},
  content,
  buffers: [],
});

/** Mulberry32: the same numbers for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('a message comes back from the wire as it went, and the signature leaves buffers out', () => {
  const sign = signer('hmac-sha256', 'key');
  const sent = {
    ...message('comm_msg', { text: 'ä😀' }),
    identities: [Buffer.from('peer')],
    buffers: [Buffer.from([1, 2])],
  };
  const frames = encode(sent, sign).map((frame) => Buffer.from(frame));
  assert.deepEqual(decode(frames, sign), sent);
  frames[frames.length - 1] = Buffer.from('other bytes');
  assert.deepEqual(decode(frames, sign).buffers, [Buffer.from('other bytes')]);
  frames[5] = Buffer.from('{"text":"changed"}');
  assert.throws(() => decode(frames, sign), /wrong signature/);
});

test('with an empty key nothing is signed and nothing is checked', async (t) => {
  const sign = signer('hmac-sha256', '');
  assert.equal(sign.sign([Buffer.from('x')]), '');
  const unsigned = await startKernel({ key: '' });
  t.after(() => unsigned.stop());
  assert.equal((await unsigned.execute('2 + 2')).text, '4');
});

test('a message with a wrong signature is dropped', async () => {
  const bad = message('execute_request', { code: 'globalThis.broken = true', silent: false });
  await kernel.sendRaw('shell', encode(bad, signer('hmac-sha256', 'another key')));
  assert.equal((await kernel.execute('"broken" in globalThis')).text, 'false');
  assert.ok(!kernel.published.some(({ parent }) => parent.msg_id === bad.header.msg_id));
});

test('2,100 mutated messages never end the kernel, and it answers afterwards', async () => {
  const next = random(20261122);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
  const good = signer('hmac-sha256', kernel.connection.key);
  const types = [
    'kernel_info_request',
    'complete_request',
    'inspect_request',
    'is_complete_request',
    'history_request',
    'comm_open',
    'comm_msg',
    'comm_close',
    'comm_info_request',
    'execute_request',
    'interrupt_request',
    'usage_request',
    'create_subshell_request',
    'debug_request',
    'input_reply',
    'no_such_request',
    '__proto__',
    '',
  ];
  const values = [
    null,
    0,
    -1,
    1e99,
    '',
    'x',
    '\ud800',
    [],
    {},
    true,
    'kvlab.frames',
    '{',
    { type: 'ack', seq: 'x' },
    { type: 5 },
    'a'.repeat(5000),
  ];
  const keys = [
    'code',
    'cursor_pos',
    'detail_level',
    'comm_id',
    'target_name',
    'data',
    'pattern',
    'hist_access_type',
    'n',
    'start',
    'stop',
    'user_expressions',
    'silent',
    'subshell_id',
  ];
  for (let n = 0; n < 2100; n++) {
    const content: Record<string, unknown> = {};
    for (let count = Math.floor(next() * 5); count > 0; count--) content[pick(keys)] = pick(values);
    // User code of the fuzz stays harmless: it is only ever text that does not compile.
    if ('code' in content) content.code = pick(['', '(', 'const', 5, null, {}, 'a'.repeat(300)]);
    const type = pick(types);
    const made = message(type, content);
    if (next() < 0.2) made.metadata = pick([{}, [], null, 5, 'x']) as never;
    if (next() < 0.1)
      made.header = pick([{ ...made.header, msg_id: 5 }, { ...made.header, date: 'never' }, null, [], 'x']) as never;
    let frames: Uint8Array[] = encode(made, good);
    const kind = next();
    if (kind < 0.15) frames = frames.slice(0, Math.floor(next() * frames.length));
    else if (kind < 0.3) frames = frames.filter(() => next() > 0.2);
    else if (kind < 0.5) {
      const at = Math.floor(next() * frames.length);
      const copy = Buffer.from(frames[at]!);
      if (copy.length > 0) copy[Math.floor(next() * copy.length)] = Math.floor(next() * 256);
      frames = frames.with(at, copy);
    } else if (kind < 0.55) frames = [...frames, Buffer.alloc(Math.floor(next() * 1000)), Buffer.from('<IDS|MSG>')];
    if (frames.length > 0) await kernel.sendRaw(pick(['shell', 'control'] as const), frames);
  }
  // Cells that were sent together with one that fails are aborted, so the first answer may be that.
  await kernel.execute('0');
  assert.equal((await kernel.execute('6 * 7')).text, '42');
  assert.equal(kernel.process.exitCode, null);
  assert.equal(kernel.log(), '');
});

test('cursor positions are code points on the wire and UTF-16 units inside', () => {
  const text = 'a😀b𝒞c';
  const points = [...text];
  for (let n = 0; n <= points.length; n++) {
    const units = points.slice(0, n).join('').length;
    assert.equal(toUnits(text, n), units);
    assert.equal(toCodePoints(text, units), n);
  }
  assert.equal(toUnits(text, 99), text.length);
});
