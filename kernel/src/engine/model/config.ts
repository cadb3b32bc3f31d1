/** The shape of a model, read from the metadata of its file and checked against its tensors. */
import { dequantize } from './dequantize.ts';
import type { Gguf, MetadataValue } from './gguf.ts';

export interface ModelConfig {
  layers: number;
  queryHeads: number;
  kvHeads: number;
  /** Query heads that share one KV head. */
  group: number;
  headSize: number;
  /** Width of the residual stream. */
  hidden: number;
  /** Width between the two products of the feed-forward part. */
  mlp: number;
  vocabulary: number;
  /** Positions that the model was trained for. */
  context: number;
  rmsEpsilon: number;
  ropeTheta: number;
  /** Radians per position of each channel pair [D/2]; scaling of the file is already in them. */
  ropeFrequencies: Float64Array;
}

/** Tensors of one layer and their dimensions as in the file: the input axis first. */
export const layerTensors = {
  attn_norm: ({ hidden }) => [hidden],
  attn_q: ({ hidden, queryHeads, headSize }) => [hidden, queryHeads * headSize],
  attn_k: ({ hidden, kvHeads, headSize }) => [hidden, kvHeads * headSize],
  attn_v: ({ hidden, kvHeads, headSize }) => [hidden, kvHeads * headSize],
  attn_output: ({ hidden, queryHeads, headSize }) => [queryHeads * headSize, hidden],
  ffn_norm: ({ hidden }) => [hidden],
  ffn_gate: ({ hidden, mlp }) => [hidden, mlp],
  ffn_up: ({ hidden, mlp }) => [hidden, mlp],
  ffn_down: ({ hidden, mlp }) => [mlp, hidden],
} as const satisfies Record<string, (config: ModelConfig) => number[]>;
export type LayerTensor = keyof typeof layerTensors;

/** Reads and checks the shape of the model. Throws where the file holds a model that the graphs do not compute. */
export async function readConfig(gguf: Gguf): Promise<ModelConfig> {
  const architecture = gguf.metadata.get('general.architecture');
  if (architecture !== 'llama')
    throw new Error(
      `${gguf.path}: its architecture is ${JSON.stringify(architecture ?? 'not named')}; llama is supported (Llama, SmolLM2, Mistral, TinyLlama and what shares their graph)`,
    );
  const number = (key: string, fallback?: number): number => {
    const value = gguf.metadata.get(`llama.${key}`) ?? fallback;
    if (typeof value !== 'number' || !(value > 0))
      throw unsupported(gguf, `llama.${key} is ${shown(value)}`, 'a positive number is needed');
    return value;
  };
  const whole = (key: string, fallback?: number): number => {
    const value = number(key, fallback);
    if (!Number.isInteger(value)) throw unsupported(gguf, `llama.${key} is ${value}`, 'a whole number is needed');
    return value;
  };

  const embedding = gguf.tensors.get('token_embd.weight');
  if (embedding?.dims.length !== 2) throw unsupported(gguf, 'it has no token_embd.weight', 'a whole model is needed');
  const queryHeads = whole('attention.head_count');
  const kvHeads = whole('attention.head_count_kv', queryHeads);
  const hidden = whole('embedding_length');
  const headSize = whole('attention.key_length', hidden / queryHeads);
  const config: ModelConfig = {
    layers: whole('block_count'),
    queryHeads,
    kvHeads,
    group: queryHeads / kvHeads,
    headSize,
    hidden,
    mlp: whole('feed_forward_length'),
    vocabulary: embedding.dims[1]!,
    context: whole('context_length'),
    rmsEpsilon: number('attention.layer_norm_rms_epsilon'),
    ropeTheta: number('rope.freq_base', 10000),
    ropeFrequencies: new Float64Array(0),
  };
  if (!Number.isInteger(config.group))
    throw unsupported(
      gguf,
      `${queryHeads} query heads share ${kvHeads} KV heads`,
      'a whole number of query heads per KV head is supported',
    );
  if (config.headSize % 2)
    throw unsupported(gguf, `its head size is ${config.headSize}`, 'an even head size is supported');
  if (whole('attention.value_length', headSize) !== headSize)
    throw unsupported(gguf, 'its values are wider or narrower than its keys', 'equal sizes are supported');
  checkTensors(gguf, config);
  return { ...config, ropeFrequencies: await ropeFrequencies(gguf, config) };
}

/** Every tensor must be there with its shape, and no other: a bias or an expert left out would give wrong text silently. */
function checkTensors(gguf: Gguf, config: ModelConfig): void {
  const expected = new Map<string, readonly number[]>([
    ['token_embd.weight', [config.hidden, config.vocabulary]],
    ['output_norm.weight', [config.hidden]],
  ]);
  if (config.layers > gguf.tensors.size)
    throw unsupported(
      gguf,
      `it names ${config.layers} layers and holds ${gguf.tensors.size} tensors`,
      'a whole model is needed',
    );
  for (let layer = 0; layer < config.layers; layer++)
    for (const [name, dims] of Object.entries(layerTensors)) expected.set(`blk.${layer}.${name}.weight`, dims(config));
  for (const [name, dims] of expected) {
    const tensor = gguf.tensors.get(name);
    if (!tensor) throw unsupported(gguf, `tensor ${name} is missing`, 'a whole model is needed');
    if (tensor.dims.join() !== dims.join())
      throw unsupported(
        gguf,
        `${name} is [${tensor.dims}] where the metadata asks for [${dims}]`,
        'get the file again',
      );
  }
  const optional = new Map([
    ['output.weight', [config.hidden, config.vocabulary]],
    ['rope_freqs.weight', [config.headSize / 2]],
  ]);
  for (const [name, { dims }] of gguf.tensors) {
    if (expected.has(name)) continue;
    const wanted = optional.get(name);
    if (!wanted)
      throw unsupported(
        gguf,
        `it has the tensor ${name}`,
        'models without biases, experts or norms of queries and keys are supported',
      );
    if (dims.join() !== wanted.join())
      throw unsupported(gguf, `${name} is [${dims}] where the metadata asks for [${wanted}]`, 'get the file again');
  }
}

/** Radians per position. Linear scaling divides all alike, a tensor of factors (Llama 3) divides each pair by its own. */
async function ropeFrequencies(gguf: Gguf, { headSize, ropeTheta }: ModelConfig): Promise<Float64Array> {
  const rotated = gguf.metadata.get('llama.rope.dimension_count') ?? headSize;
  if (rotated !== headSize)
    throw unsupported(gguf, `${shown(rotated)} of ${headSize} channels are rotated`, 'rotation of all is supported');
  const scaling = gguf.metadata.get('llama.rope.scaling.type') ?? 'none';
  if (scaling !== 'none' && scaling !== 'linear')
    throw unsupported(
      gguf,
      `its rotary scaling is ${shown(scaling)}`,
      'none, linear and factors in the file are supported',
    );
  const factor = scaling === 'linear' ? (gguf.metadata.get('llama.rope.scaling.factor') ?? 1) : 1;
  if (typeof factor !== 'number' || !(factor > 0))
    throw unsupported(gguf, `its rotary scaling factor is ${shown(factor)}`, 'a positive number is needed');
  const factors = new Float32Array(headSize / 2).fill(1);
  const tensor = gguf.tensors.get('rope_freqs.weight');
  if (tensor) dequantize(tensor.form, await gguf.read(tensor), factors);
  return Float64Array.from(factors, (own, pair) => ropeTheta ** ((-2 * pair) / headSize) / (factor * own));
}

function unsupported(gguf: Gguf, found: string, remedy: string): Error {
  return new Error(`${gguf.path}: ${found}; ${remedy}`);
}

const shown = (value: MetadataValue | undefined): string => {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};
