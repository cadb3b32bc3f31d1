/** The graphs that hold weights: one per layer and one for the end. They know no positions and no method.
 *
 *  Graph l finishes layer l-1 and projects layer l, so that attention, with whatever cache a method keeps, happens between
 *  two graphs: weights(0), attend, weights(1), attend, …, finish.
 *
 *  Letters: Q new tokens, X residual stream, Hq query heads, Hkv KV heads, G = Hq/Hkv, D head size, M feed-forward width,
 *  V vocabulary. `GQ` counts a group's rows: query head of the group first, then token. */
import { type GraphBuilder, graphBuilder, type Value } from '@kvlab/ops';
import type { ExternalData } from '../runtime/session.ts';
import type { LayerTensor, ModelConfig } from './config.ts';

/** Reads tensors one after another, each multiplied by its factor, into one array of rows. */
export type ReadRows = (names: readonly { name: string; factor?: number }[]) => Promise<Float32Array>;

export interface WeightGraph {
  bytes: Uint8Array;
  /** f32 weights; may be freed once the session exists. */
  weights: ExternalData[];
}

/** Weights of a graph by path, filled while the graph is built. */
type Needed = Map<string, Parameters<ReadRows>[0]>;

const sizes = (config: ModelConfig) => ({
  X: config.hidden,
  Hq: config.queryHeads,
  Hkv: config.kvHeads,
  D: config.headSize,
  M: config.mlp,
  V: config.vocabulary,
});

/** In `x` [1,Q,X] and, but for layer 0, `output` [Hkv,GQ,D], the attention output of the layer before. Out `queries`
 *  [Hkv,GQ,D] times 1/sqrt(D), `keys` and `values` [Hkv,Q,D], all not rotated, channels paired (2i, 2i+1); `hidden`
 *  [1,Q,X], the normed input of the projection; and, but for layer 0, `x` [1,Q,X] after the layer before. */
export async function projection(config: ModelConfig, layer: number, read: ReadRows): Promise<WeightGraph> {
  const g = graphBuilder(`weights_${layer}`, sizes(config));
  const needed: Needed = new Map();
  let x = residual(g);
  if (layer > 0) {
    x = finishLayer(g, needed, config, layer - 1, x);
    g.output('x_next', g.reshape(x, [1, 'Q', 'X']));
  }
  const hidden = g.rmsNorm(x, weight(g, needed, [own(layer, 'attn_norm')], [config.hidden]), config.rmsEpsilon);
  g.output('hidden', g.reshape(hidden, [1, 'Q', 'X']));

  const [queryWidth, keyWidth] = [config.queryHeads * config.headSize, config.kvHeads * config.headSize];
  const rows = [
    { ...own(layer, 'attn_q'), factor: 1 / Math.sqrt(config.headSize) },
    own(layer, 'attn_k'),
    own(layer, 'attn_v'),
  ];
  const all = g.gemm(hidden, weight(g, needed, rows, [queryWidth + 2 * keyWidth, config.hidden]), true);
  const [queries, keys, values] = g.split(all, 1, [queryWidth, keyWidth, keyWidth]);
  const heads = (part: Value, count: 'Hq' | 'Hkv') => g.transpose(g.reshape(part, ['Q', count, 'D']), [1, 0, 2]);
  g.output('queries', g.reshape(heads(queries!, 'Hq'), ['Hkv', 'GQ', 'D']));
  g.output('keys', heads(keys!, 'Hkv'));
  g.output('values', heads(values!, 'Hkv'));
  return gather(g, needed, read);
}

/** In `x` [1,Q,X] and `output` [Hkv,GQ,D] of the last layer. Out `logits` [Q,V]. `tied` takes the embedding as the head. */
export async function finish(config: ModelConfig, tied: boolean, read: ReadRows): Promise<WeightGraph> {
  const g = graphBuilder('weights_finish', sizes(config));
  const needed: Needed = new Map();
  const x = finishLayer(g, needed, config, config.layers - 1, residual(g));
  const normed = g.rmsNorm(x, weight(g, needed, [{ name: 'output_norm.weight' }], [config.hidden]), config.rmsEpsilon);
  const head = { name: tied ? 'token_embd.weight' : 'output.weight' };
  g.output('logits', g.gemm(normed, weight(g, needed, [head], [config.vocabulary, config.hidden]), true));
  return gather(g, needed, read);
}

const own = (layer: number, name: LayerTensor) => ({ name: `blk.${layer}.${name}.weight` });

const residual = (g: GraphBuilder): Value => g.reshape(g.input('x', 'f32', [1, 'Q', 'X']), ['Q', 'X']);

/** Output projection and feed-forward part of a layer, both added to the residual stream. */
function finishLayer(g: GraphBuilder, needed: Needed, config: ModelConfig, layer: number, x: Value): Value {
  const { hidden, mlp, queryHeads, headSize, rmsEpsilon } = config;
  const byHead = g.reshape(g.input('output', 'f32', ['Hkv', 'GQ', 'D']), ['Hq', 'Q', 'D']);
  const byToken = g.reshape(g.transpose(byHead, [1, 0, 2]), ['Q', queryHeads * headSize]);
  const attended = g.add(
    x,
    g.gemm(byToken, weight(g, needed, [own(layer, 'attn_output')], [hidden, queryHeads * headSize]), true),
  );

  const normed = g.rmsNorm(attended, weight(g, needed, [own(layer, 'ffn_norm')], [hidden]), rmsEpsilon);
  const gateUp = weight(g, needed, [own(layer, 'ffn_gate'), own(layer, 'ffn_up')], [2 * mlp, hidden]);
  const [gate, up] = g.split(g.gemm(normed, gateUp, true), 1, [mlp, mlp]);
  const active = g.mul(g.mul(gate!, g.sigmoid(gate!)), up!);
  return g.add(attended, g.gemm(active, weight(g, needed, [own(layer, 'ffn_down')], [hidden, mlp]), true));
}

function weight(g: GraphBuilder, needed: Needed, rows: Parameters<ReadRows>[0], dims: readonly number[]): Value {
  const path = rows.map(({ name }) => name).join('+');
  needed.set(path, rows);
  return g.external(path, 'f32', dims, path);
}

async function gather(g: GraphBuilder, needed: Needed, read: ReadRows): Promise<WeightGraph> {
  const weights: ExternalData[] = [];
  for (const [path, rows] of needed) {
    const data = await read(rows);
    weights.push({ path, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });
  }
  return { bytes: g.encode(), weights };
}
