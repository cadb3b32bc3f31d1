/** Reorder: the channels of all KV heads of a layer in an order that a fit found, so that outliers share a group.
 *
 *  Su et al. 2025, "RotateKV", arXiv:2501.16383; Trukhanov and Soloveychik 2024, arXiv:2403.20137. Departure: applied when rows
 *  are written and read, not folded into the weights. */
import { perElement } from '../cost.ts';
import type { Fit } from '../fit/fit.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { f32, operator } from '../operator.ts';
import { tensor } from '../tensor.ts';
import type { Code, Transform } from './encoding.ts';

/** x [Hkv, T, D] with channel order[h, d] (counted over all heads) at head h, channel d. */
function gathered(g: GraphBuilder, x: Value, order: Value): Value {
  const [H, T] = [x.dims[0]!, x.dims[1]!];
  const all = g.sizes.D! * (typeof H === 'number' ? H : g.sizes[H]!);
  const channels = g.reshape(g.transpose(x, [0, 2, 1]), [all, T]); // [Hkv * D, T]
  const sorted = g.gather(channels, g.cast(g.reshape(order, [all]), 'i32'), 0);
  return g.transpose(g.reshape(sorted, [H, 'D', T]), [0, 2, 1]);
}

export const reorderOperator = operator({
  name: 'reorder',
  kind: 'encode',
  scope: 'layer',
  title: 'channels in order',
  paper: 'arXiv:2403.20137',
  departures: ['applied when rows are written and read, not folded into the weights'],
  params: {},
  inputs: {
    x: f32(['Hkv', 'T', 'D']),
    // Each channel once, counted over all heads.
    order: f32(['Hkv', 'D'], { values: 'order' }),
  },
  outputs: { reordered: f32(['Hkv', 'T', 'D']) },
  cost: perElement(1, 'Hkv', 'T', 'D'),

  graph: (g, { x, order }) => ({ reordered: gathered(g, x!, order!) }),

  reference({ x, order }) {
    const [H, T, D] = x!.dims as [number, number, number];
    const reordered = tensor([H, T, D]);
    for (let h = 0; h < H; h++)
      for (let d = 0; d < D; d++) {
        const from = order!.get(h, d);
        for (let t = 0; t < T; t++) reordered.set(x!.get(Math.floor(from / D), t, from % D), h, t, d);
      }
    return { reordered };
  },

  example: {
    inputs: { x: [[[5, 6]], [[7, 8]]], order: [[3, 0], [2, 1]] }, // biome-ignore format: one row a head
    outputs: { reordered: [[[8, 5]], [[7, 6]]] },
  },
});

/** `order` gives two tensors [L, Hkv, D]: `order`, and its inverse `place`. */
export const reorder = (order: Fit): Transform => {
  const code = (tensorName: string): Code => ({
    type: 'f32',
    per: 'store',
    dims: (D) => [D],
    role: 'scales',
    fitted: { fit: order, tensor: tensorName },
  });
  return {
    ...reorderOperator(),
    fits: [order],
    transform: `order ${order.name}`,
    joint: true,
    codes: { order: code('order'), place: code('place') },
    forward: (g, x, known) => gathered(g, x, known.order!),
    inverse: (g, x, known) => gathered(g, x, known.place!),
  };
};
