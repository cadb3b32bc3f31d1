/** A model in memory: its sessions, its embedding, its tokenizer. */
import type { Platform, Shelf } from '../runtime/platform.ts';
import { nodePlatform, openRuntime, type Runtime } from '../runtime/runtime.ts';
import type { Session } from '../runtime/session.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { type ChatMessage, chatTemplate } from './chat.ts';
import { type ModelConfig, readConfig } from './config.ts';
import { dequantize } from './dequantize.ts';
import { type ByteSource, type Gguf, readGguf } from './gguf.ts';
import { identityOf } from './identity.ts';
import { readTokenizer, type Tokenizer } from './tokenizer.ts';
import { finish, projection, type ReadRows, type WeightGraph } from './weights.ts';

export interface Projection {
  /** Residual stream [Q, X] after the layer before; what went in for layer 0. */
  x: Float32Array;
  /** [Hkv, G*Q, D] times 1/sqrt(D), not rotated, channels paired (2i, 2i+1); rows by query head of the group, then token. */
  queries: Float32Array;
  /** [Hkv, Q, D], not rotated. */
  keys: Float32Array;
  /** [Hkv, Q, D]. */
  values: Float32Array;
  /** Normed input of the projection [Q, X], if it was asked for. */
  hidden?: Float32Array;
}

export interface Model {
  name: string;
  path: string;
  /** A hash of what the file holds. */
  identity: string;
  config: ModelConfig;
  runtime: Runtime;
  /** Where results about this model outlive the process. */
  shelf?: Shelf;
  /** Opens a file for the rows of a cache. */
  openPages?: Platform['openPages'];
  tokenizer: Tokenizer;
  /** The text of a conversation as the model was trained to read it, ending where the assistant begins to speak. */
  chat(messages: readonly ChatMessage[]): string;
  /** Embedding rows [Q, X]. */
  embed(ids: Uint32Array | Int32Array): Float32Array;
  /** Finishes layer - 1 with its attention output [Hkv, G*Q, D] and projects `layer` for `queries` new tokens. */
  project(
    layer: number,
    x: Float32Array,
    output: Float32Array | undefined,
    queries: number,
    wanted?: { hidden?: boolean },
  ): Promise<Projection>;
  /** Finishes the last layer. Logits [Q, V] of all rows, or [1, V] of the last. */
  finish(x: Float32Array, output: Float32Array, queries: number, rows: 'all' | 'last'): Promise<Float32Array>;
  /** Bytes of the f32 weights in the runtime and of the stored embedding rows. */
  bytes: { weights: number; embedding: number };
  release(): Promise<void>;
}

export interface LoadOptions {
  device?: 'auto' | 'wasm' | 'webgpu';
  /** Threads of the WebAssembly module. */
  threads?: number;
  signal?: AbortSignal;
  /** Called with what is being done, in words. */
  onProgress?(words: string): void;
  platform?: Platform;
}

/** Loads a GGUF file by its path, or from any source of bytes. */
export async function loadModel(from: string | ByteSource, options: LoadOptions = {}): Promise<Model> {
  const { signal, onProgress = () => {} } = options;
  const source = typeof from === 'string' ? await (await import('./file.ts')).openFile(from) : from;
  let runtime: Runtime | undefined;
  try {
    const name = source.path.split(/[\\/]/).pop()!;
    onProgress(`reading ${name}`);
    const gguf = await readGguf(source);
    const config = await readConfig(gguf);
    const tokenizer = readTokenizer(gguf);
    if (tokenizer.vocabulary !== config.vocabulary)
      throw new Error(
        `${source.path}: its tokenizer has ${tokenizer.vocabulary} tokens and its embedding ${config.vocabulary} rows; get the file again`,
      );
    const platform = options.platform ?? (await nodePlatform());
    checkMemory(gguf, config, platform.availableBytes());
    signal?.throwIfAborted();
    runtime = await openRuntime(options.device ?? 'auto', { threads: options.threads, platform });
    checkHeap(gguf, config, runtime);

    const embedding = gguf.tensors.get('token_embd.weight')!;
    const rows = await gguf.read(embedding);
    const session = (graph: WeightGraph, words: string) => {
      onProgress(words);
      signal?.throwIfAborted();
      return createAndFree(runtime!, graph);
    };
    const read = rowReader(gguf);
    // The head is the largest: what its creation needs twice is used again by the layers.
    const tied = !gguf.tensors.has('output.weight');
    const end = await session(await finish(config, tied, read), `${name}: output head`);
    const layers: Session[] = [];
    for (let layer = 0; layer < config.layers; layer++)
      layers.push(
        await session(await projection(config, layer, read), `${name}: layer ${layer + 1} of ${config.layers}`),
      );

    return {
      name: name.replace(/\.gguf$/i, ''),
      path: source.path,
      identity: await identityOf(gguf, source, config),
      config,
      runtime,
      shelf: platform.shelf,
      openPages: platform.openPages,
      tokenizer,
      chat: chatTemplate(gguf, tokenizer),
      embed: (ids) => embed(ids, rows, embedding.form, config),
      ...steps(config, layers, end),
      bytes: { weights: 4 * weightCount(gguf, config), embedding: rows.byteLength },
      release: () => runtime!.release(),
    };
  } catch (error) {
    await runtime?.release();
    throw error;
  } finally {
    await source.close();
  }
}

/** The two calls of a step, over one session a layer and one for the end. */
function steps(config: ModelConfig, layers: readonly Session[], end: Session): Pick<Model, 'project' | 'finish'> {
  const { hidden, queryHeads, kvHeads, headSize, group } = config;
  const stream = (x: Float32Array, Q: number): Tensor => ({ type: 'float32', dims: [1, Q, hidden], data: x });
  const attended = (output: Float32Array, Q: number): Tensor => ({
    type: 'float32',
    dims: [kvHeads, group * Q, headSize],
    data: output,
  });
  return {
    async project(layer, x, output, queries, wanted = {}) {
      const session = layers[layer];
      if (!session)
        throw new RangeError(`project: there is no layer ${layer}; the model has 0 to ${config.layers - 1}`);
      if ((layer === 0) !== (output === undefined))
        throw new TypeError(
          layer === 0
            ? 'project: layer 0 takes no attention output; leave it undefined'
            : `project: layer ${layer} needs the attention output of layer ${layer - 1}`,
        );
      const feeds: Record<string, Tensor> = { x: stream(x, queries) };
      if (output) feeds.output = attended(output, queries);
      const fetch = ['queries', 'keys', 'values', ...(output ? ['x_next'] : []), ...(wanted.hidden ? ['hidden'] : [])];
      const got = await session.run(feeds, fetch);
      const data = (name: string) => got[name]!.data as Float32Array;
      return {
        x: output ? data('x_next') : x,
        queries: data('queries'),
        keys: data('keys'),
        values: data('values'),
        ...(wanted.hidden ? { hidden: data('hidden') } : {}),
      };
    },
    async finish(x, output, queries, rows) {
      const last = rows === 'last' && queries > 1;
      const Q = last ? 1 : queries;
      const feeds = {
        x: stream(last ? x.subarray((queries - 1) * hidden) : x, Q),
        output: attended(last ? lastRows(output, queryHeads, queries, headSize) : output, Q),
      };
      return (await end.run(feeds, ['logits'])).logits!.data as Float32Array;
    },
  };
}

/** Of [Hq, Q, D] the row of the last token: [Hq, 1, D]. */
function lastRows(output: Float32Array, queryHeads: number, queries: number, headSize: number): Float32Array {
  const rows = new Float32Array(queryHeads * headSize);
  for (let head = 0; head < queryHeads; head++) {
    const from = (head * queries + queries - 1) * headSize;
    rows.set(output.subarray(from, from + headSize), head * headSize);
  }
  return rows;
}

function embed(
  ids: Uint32Array | Int32Array,
  rows: Uint8Array,
  form: Parameters<typeof dequantize>[0],
  { hidden, vocabulary }: ModelConfig,
): Float32Array {
  const rowBytes = (hidden / form.elements) * form.bytes;
  const x = new Float32Array(ids.length * hidden);
  ids.forEach((id, i) => {
    if (!(id >= 0 && id < vocabulary))
      throw new RangeError(`embed: token id ${id} is outside the vocabulary; ids are 0 to ${vocabulary - 1}`);
    dequantize(form, rows.subarray(id * rowBytes, (id + 1) * rowBytes), x.subarray(i * hidden, (i + 1) * hidden));
  });
  return x;
}

/** Creates the session and gives the memory of its weights back at once, without waiting for the collector. */
async function createAndFree(runtime: Runtime, { bytes, weights }: WeightGraph): Promise<Session> {
  const session = await runtime.create(bytes, weights);
  for (const { data } of weights) (data.buffer as ArrayBuffer & { transfer(bytes: number): ArrayBuffer }).transfer(0);
  return session;
}

function rowReader(gguf: Gguf): ReadRows {
  return async (names) => {
    const tensors = names.map(({ name }) => gguf.tensors.get(name)!);
    const lengths = tensors.map(({ dims }) => dims.reduce((product, n) => product * n, 1));
    const out = new Float32Array(lengths.reduce((sum, n) => sum + n, 0));
    let end = 0;
    for (const [i, tensor] of tensors.entries()) {
      const part = out.subarray(end, (end += lengths[i]!));
      dequantize(tensor.form, await gguf.read(tensor), part);
      const factor = names[i]!.factor;
      if (factor !== undefined) for (let k = 0; k < part.length; k++) part[k] = part[k]! * factor;
    }
    return out;
  };
}

/** Elements of all weights in sessions: every tensor but the table of factors, and the embedding once more as a tied head. */
function weightCount(gguf: Gguf, { hidden, vocabulary }: ModelConfig): number {
  const layers = [...gguf.tensors.values()].filter(({ name }) => name.startsWith('blk.'));
  return layers.reduce(
    (sum, { dims }) => sum + dims.reduce((product, n) => product * n, 1),
    hidden + hidden * vocabulary,
  );
}

const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`;

/** Weights as f32, the head twice more while its session is made, the stored embedding and the runtime itself. */
function checkMemory(gguf: Gguf, config: ModelConfig, available: number | undefined): void {
  const head = 4 * config.hidden * config.vocabulary;
  const need = 4 * weightCount(gguf, config) + 2 * head + gguf.tensors.get('token_embd.weight')!.bytes + 128 * 2 ** 20;
  if (available !== undefined && available < need)
    throw new Error(
      `${gguf.path}: loading it needs about ${mib(need)} of memory and ${mib(available)} are free; close other programs or take a smaller model`,
    );
}

/** A WebAssembly module addresses 4 GiB, however much memory the machine has. */
function checkHeap(gguf: Gguf, config: ModelConfig, runtime: Runtime): void {
  const need = 4 * weightCount(gguf, config) + 4 * config.hidden * config.vocabulary;
  if (runtime.device === 'wasm' && need > 3.75 * 2 ** 30)
    throw new Error(
      `${gguf.path}: its weights need ${mib(need)} as f32 and WebAssembly addresses 4,096 MiB; use device 'webgpu' or a smaller model`,
    );
}
