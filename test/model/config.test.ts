import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../../kernel/src/engine/model/config.ts';
import { readGguf } from '../../kernel/src/engine/model/gguf.ts';
import { loadModel } from '../../kernel/src/engine/model/load.ts';
import { nodePlatform } from '../../kernel/src/engine/runtime/runtime.ts';
import { ggufBytes, sourceOf, type Written } from './gguf-bytes.ts';

const metadata: Written['metadata'] = {
  'general.architecture': 'llama',
  'llama.block_count': 1,
  'llama.context_length': 64,
  'llama.embedding_length': 32,
  'llama.feed_forward_length': 48,
  'llama.attention.head_count': 4,
  'llama.attention.head_count_kv': 2,
  'llama.attention.layer_norm_rms_epsilon': 1,
  'llama.rope.freq_base': 10000,
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.tokens': ['a', 'b', 'ab'],
  'tokenizer.ggml.merges': ['a b'],
};

/** A whole model of one layer: four query heads, two KV heads, head size 8 unless `headSize` says otherwise. */
function tensors(headSize = 8, vocabulary = 3): { name: string; dims: number[]; type: number; offset?: number }[] {
  const layer: [string, number[]][] = [
    ['attn_norm', [32]],
    ['attn_q', [32, 4 * headSize]],
    ['attn_k', [32, 2 * headSize]],
    ['attn_v', [32, 2 * headSize]],
    ['attn_output', [4 * headSize, 32]],
    ['ffn_norm', [32]],
    ['ffn_gate', [32, 48]],
    ['ffn_up', [32, 48]],
    ['ffn_down', [48, 32]],
  ];
  return [
    { name: 'token_embd.weight', dims: [32, vocabulary], type: 0 },
    { name: 'output_norm.weight', dims: [32], type: 0 },
    ...layer.map(([name, dims]) => ({ name: `blk.0.${name}.weight`, dims, type: 0 })),
  ];
}

const zeros = 4 * 32 * 64;
const config = async (more: Written['metadata'] = {}, change: Written = {}) => {
  const bytes = ggufBytes({ metadata: { ...metadata, ...more }, tensors: tensors(), data: zeros, ...change });
  return readConfig(await readGguf(sourceOf(bytes)));
};
const plain = [0, 1, 2, 3].map((pair) => 10000 ** (-pair / 4));

test('the shape of a model is read from its metadata', async () => {
  const { ropeFrequencies, ...shape } = await config();
  assert.deepEqual(shape, {
    layers: 1,
    queryHeads: 4,
    kvHeads: 2,
    group: 2,
    headSize: 8,
    hidden: 32,
    mlp: 48,
    vocabulary: 3,
    context: 64,
    rmsEpsilon: 1,
    ropeTheta: 10000,
  });
  assert.deepEqual([...ropeFrequencies], plain);
});

test('a head size of its own wins over hidden size by heads', async () => {
  const lengths = { 'llama.attention.key_length': 16, 'llama.attention.value_length': 16 };
  assert.equal((await config(lengths, { tensors: tensors(16) })).headSize, 16);
});

test('linear scaling divides all rotary frequencies', async () => {
  const scaled = await config({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4 });
  assert.deepEqual(
    [...scaled.ropeFrequencies],
    plain.map((frequency) => frequency / 4),
  );
});

test('factors in the file divide each frequency by its own', async () => {
  const factors = Float32Array.of(1, 2, 4, 32);
  const data = new Uint8Array(zeros);
  data.set(new Uint8Array(factors.buffer));
  const { ropeFrequencies } = await config(
    {},
    { tensors: [...tensors(), { name: 'rope_freqs.weight', dims: [4], type: 0 }], data },
  );
  assert.deepEqual(
    [...ropeFrequencies],
    plain.map((frequency, pair) => frequency / factors[pair]!),
  );
});

test('what the graphs do not compute is refused, since leaving it out would give wrong text', async () => {
  const bias = { name: 'blk.0.attn_q.bias', dims: [32], type: 0 };
  await assert.rejects(
    config({}, { tensors: [...tensors(), bias] }),
    /has the tensor blk\.0\.attn_q\.bias; models without biases/,
  );
  await assert.rejects(
    config({ 'llama.rope.scaling.type': 'yarn' }),
    /rotary scaling is "yarn"; none, linear and factors/,
  );
  await assert.rejects(config({ 'llama.rope.dimension_count': 4 }), /4 of 8 channels are rotated; rotation of all/);
  await assert.rejects(config({ 'llama.attention.value_length': 4 }), /values are wider or narrower/);
  await assert.rejects(
    config({}, { tensors: tensors(16) }),
    /blk\.0\.attn_q\.weight is \[32,64\] where the metadata asks for \[32,32\]/,
  );
});

test('a tokenizer of another size than the embedding is refused with both', async () => {
  const bytes = ggufBytes({ metadata, tensors: tensors(8, 5), data: zeros });
  await assert.rejects(loadModel(sourceOf(bytes)), /tokenizer has 3 tokens and its embedding 5 rows/);
});

test('weights beyond what WebAssembly can address are refused before they are read', async () => {
  const wide = tensors().map((tensor) =>
    /ffn_(gate|up)/.test(tensor.name)
      ? { ...tensor, dims: [32, 2 ** 25] }
      : /ffn_down/.test(tensor.name)
        ? { ...tensor, dims: [2 ** 25, 32] }
        : tensor,
  );
  const bytes = ggufBytes({ metadata: { ...metadata, 'llama.feed_forward_length': 2 ** 25 }, tensors: wide });
  const source = {
    ...sourceOf(bytes),
    bytes: 2 ** 40,
    read: async (start: number, length: number) => bytes.slice(start, start + length),
  };
  const platform = { ...(await nodePlatform()), availableBytes: () => 2 ** 40 };
  await assert.rejects(
    loadModel(source, { device: 'wasm', platform }),
    /weights need 12,289 MiB as f32 and WebAssembly addresses 4,096 MiB; use device 'webgpu' or a smaller model/,
  );
});
