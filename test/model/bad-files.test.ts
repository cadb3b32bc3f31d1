import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readGguf } from '../../kernel/src/engine/model/gguf.ts';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import { nodePlatform } from '../../kernel/src/engine/runtime/runtime.ts';
import { defaultModelPath } from './default-model.ts';
import { ggufBytes, sourceOf, u64, type Written } from './gguf-bytes.ts';

/** Milliseconds that this process has computed: unlike a clock, the same on a busy machine. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Loads and expects an error that names the file, within a second and without large allocations. */
async function refuses(bytes: Uint8Array, message: RegExp): Promise<void> {
  const before = process.memoryUsage();
  const start = cpuMs();
  await assert.rejects(loadModel(sourceOf(bytes), { device: 'wasm' }), (error: Error) => {
    assert.match(error.message, /^given\.gguf: /);
    assert.match(error.message, message);
    return true;
  });
  assert.ok(cpuMs() - start < 1000);
  const after = process.memoryUsage();
  assert.ok(after.arrayBuffers - before.arrayBuffers < 64e6 && after.heapTotal - before.heapTotal < 64e6);
}

const llama = {
  'general.architecture': 'llama',
  'llama.block_count': 1,
  'llama.context_length': 64,
  'llama.embedding_length': 64,
  'llama.feed_forward_length': 32,
  'llama.attention.head_count': 2,
  'llama.attention.layer_norm_rms_epsilon': 1,
};
const embedding = { name: 'token_embd.weight', dims: [64, 16], type: 0 };
const model = (change: Written) => ggufBytes({ metadata: llama, tensors: [embedding], data: 8192, ...change });

describe('a file that is no model that we read is refused with what was found and what is supported', () => {
  const refused: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /it starts with ""; a GGUF file, which starts with "GGUF", is supported/],
    ['another format', new TextEncoder().encode('PK\u0003\u0004 zip'), /it starts with "PK/],
    ['an old version', model({ version: 1 }), /its GGUF version is 1; versions 2 and 3, little endian, are supported/],
    ['a big-endian file', model({ version: 0x03000000 }), /its GGUF version is 50331648/],
    [
      'another architecture',
      model({ metadata: { ...llama, 'general.architecture': 'mamba' } }),
      /its architecture is "mamba"; llama is supported/,
    ],
    ['no architecture', model({ metadata: {} }), /its architecture is "not named"; llama is supported/],
    [
      'a tensor type that we do not read',
      model({ tensors: [{ ...embedding, type: 10 }] }),
      /token_embd\.weight has tensor type Q2_K; F32, F16, .* are supported/,
    ],
    ['an unheard tensor type', model({ tensors: [{ ...embedding, type: 99 }] }), /tensor type number 99; F32/],
    [
      'rows of no whole blocks',
      model({ tensors: [{ ...embedding, dims: [33, 2], type: 2 }] }),
      /no whole blocks of 32 \(Q4_0\)/,
    ],
    ['a missing tensor', model({}), /tensor output_norm\.weight is missing/],
    ['no embedding', model({ tensors: [] }), /it has no token_embd\.weight/],
    [
      'a number that is none',
      model({ metadata: { ...llama, 'llama.attention.head_count': 'nine' } }),
      /llama\.attention\.head_count is "nine"; a positive number is needed/,
    ],
    [
      'heads that do not divide',
      model({ metadata: { ...llama, 'llama.attention.head_count_kv': 3 } }),
      /2 query heads share 3 KV heads/,
    ],
  ];
  for (const [name, bytes, message] of refused) test(name, () => refuses(bytes, message));
});

describe('a length that lies is refused without believing it', () => {
  const huge = 2n ** 62n;
  const header = ggufBytes({ keyCount: 1n }).subarray(0, 24);
  const entry = (...parts: Uint8Array[]) =>
    Uint8Array.from([header, ...parts, new Uint8Array(64)].flatMap((p) => [...p]));
  const key = [u64(1), Uint8Array.of(107)];
  const list = (element: number, length: bigint) =>
    entry(...key, Uint8Array.of(9, 0, 0, 0, element, 0, 0, 0), u64(length));
  const refused: [string, Uint8Array, RegExp][] = [
    [
      'the number of tensors',
      model({ tensorCount: 2n ** 40n }),
      /number of tensors is 1099511627776, too many for the/,
    ],
    ['the number of metadata entries', model({ keyCount: huge }), /number of metadata entries is 4611686018427387904/],
    [
      'the length of a name',
      entry(u64(2n ** 50n)),
      /length of the name of a metadata entry is 1125899906842624, too many/,
    ],
    ['the length of a list of numbers', list(4, 2n ** 36n), /length of k is 68719476736, too many for the 64 bytes/],
    ['the length of a list of strings', list(8, 2n ** 36n), /length of k is 68719476736, too many/],
    ['a list in a list', list(9, 1n), /k is a list of type 9; lists of numbers and strings are supported/],
    ['a value of no type', entry(...key, Uint8Array.of(77, 0, 0, 0)), /k has the unknown value type 77/],
    [
      'the number of dimensions',
      model({ tensors: [{ ...embedding, dims: Array(2000).fill(1) }] }),
      /has 2000 dimensions; 1 to 4/,
    ],
    [
      'the size of a tensor',
      model({ tensors: [{ ...embedding, dims: [64, 2n ** 40n] }] }),
      /ends at byte .*, and the file ends at/,
    ],
    [
      'a size that overflows',
      model({ tensors: [{ ...embedding, dims: [2n ** 40n, 2n ** 40n, 2n ** 40n] }] }),
      /the file ends at/,
    ],
    [
      'the place of a tensor',
      model({ tensors: [{ ...embedding, offset: 2 ** 45 }] }),
      /ends at byte .*, and the file ends at/,
    ],
    [
      'the alignment',
      model({ metadata: { ...llama, 'general.alignment': 0 } }),
      /general\.alignment is 0; a positive number/,
    ],
    [
      'the number of layers',
      model({ metadata: { ...llama, 'llama.block_count': 2 ** 31 } }),
      /it names 2147483648 layers and holds 1 tensors/,
    ],
  ];
  for (const [name, bytes, message] of refused) test(name, () => refuses(bytes, message));
});

describe('files on disk', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kvlab-bad-'));
  });
  after(() => rm(folder, { recursive: true }));

  test('the default model cut short is refused at any place within a second', async () => {
    const whole = await open(defaultModelPath());
    const head = Buffer.alloc(20e6);
    await whole.read(head, 0, head.length, 0);
    await whole.close();
    const path = join(folder, 'cut.gguf');
    for (const length of [3, 10, 30, 2000, 1_000_000, 1_769_600, 20_000_000]) {
      await writeFile(path, head.subarray(0, length));
      const start = cpuMs();
      await assert.rejects(loadModel(path, { device: 'wasm' }), (error: Error) => {
        assert.ok(error.message.startsWith(`${path}: `), error.message);
        assert.match(error.message, /the file ends at|too many for the|starts with/);
        return true;
      });
      assert.ok(cpuMs() - start < 1000, `${length} bytes`);
    }
  });

  test('a path without a file and a folder are said', async () => {
    await assert.rejects(
      loadModel(join(folder, 'none.gguf')),
      /none\.gguf: there is no such file; give the path of a GGUF file/,
    );
    await assert.rejects(loadModel(folder), /it is not a file; give the path of a GGUF file/);
  });

  test('too little memory is said before loading, with both figures', async () => {
    const platform = { ...(await nodePlatform()), availableBytes: () => 300 * 2 ** 20 };
    const start = cpuMs();
    await assert.rejects(
      loadModel(defaultModelPath(), { device: 'wasm', platform }),
      /loading it needs about \d{3} MiB of memory and 300 MiB are free; close other programs or take a smaller model/,
    );
    assert.ok(cpuMs() - start < 1000);
  });

  test('loading stops when its signal is aborted', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const onProgress = (words: string) => {
      seen.push(words);
      if (words.includes('layer 2')) stop.abort();
    };
    await assert.rejects(loadModel(defaultModelPath(), { device: 'wasm', signal: stop.signal, onProgress }), {
      name: 'AbortError',
    });
    assert.match(seen[0]!, /^reading SmolLM2/);
    assert.match(seen.at(-1)!, /layer 2 of 30$/);
  });
});

test('metadata and tensors of a well-formed file are read as written', async () => {
  const metadata = { name: 'snow ❄', count: 7, wide: 2n ** 40n, yes: true, words: ['a', 'ß'], numbers: [1, 2, 3] };
  const gguf = await readGguf(sourceOf(ggufBytes({ metadata, tensors: [embedding], data: 4096 })));
  assert.deepEqual(Object.fromEntries(gguf.metadata), { ...metadata, wide: 2 ** 40 });
  const tensor = gguf.tensors.get('token_embd.weight')!;
  assert.deepEqual([tensor.dims, tensor.form.name, tensor.bytes], [[64, 16], 'F32', 4096]);
  assert.equal(tensor.start % 32, 0);
  assert.equal((await gguf.read(tensor)).length, 4096);
});
