/** Arithmetic that several operators share, written once over graph verbs. */
import type { Axis, GraphBuilder, Value } from './builder.ts';

/** [Hq, ...] -> [Hkv, ...]: query heads of a group become one. Query head = kvHead * G + group. */
function overGroups(g: GraphBuilder, x: Value, reduce: (v: Value, axis: Axis) => Value): Value {
  const grouped = g.reshape(x, ['Hkv', 'G', ...x.dims.slice(1)]); // [Hkv, G, ...]
  return reduce(grouped, 'G'); // [Hkv, ...]
}
export const sumGroups = (g: GraphBuilder, x: Value): Value => overGroups(g, x, g.reduceSum);
export const maxGroups = (g: GraphBuilder, x: Value): Value => overGroups(g, x, g.reduceMax);
export const meanGroups = (g: GraphBuilder, x: Value): Value => overGroups(g, x, g.reduceMean);

/** Pools the last axis of [H, T] with half padding; zeros outside count in a mean. */
export function pool1d(g: GraphBuilder, x: Value, kind: 'max' | 'mean' | 'none', kernel: number): Value {
  if (kind === 'none' || kernel <= 1) return x;
  return g.squeeze(g.pool(g.unsqueeze(x, 1), kind, kernel), 1); // [H, T]
}

/** Half to even. WebGPU has no Round kernel; adding and taking away 1.5 * 2^23 rounds any |x| < 2^22 there and on wasm. */
export const roundHalfEven = (g: GraphBuilder, x: Value): Value => g.sub(g.add(x, 12582912), 12582912);
