/** Unified maximum: one constant for each head is taken from all logits instead of a running maximum, so that parts of a row
 *  need not wait for each other; rows whose logits leave the safe range around it are recomputed exactly.
 *
 *  Hong et al. 2023, "FlashDecoding++", arXiv:2311.01282, section 3. p = e^(s - phi), output = sum p v / sum p.
 *  Departures: a graph cannot branch by row, so both forms are computed and each row takes its own; a row leaves the range when
 *  its largest logit does, since small logits beside a larger one add nothing; flat matrix products are left out. */
import { perElement } from '../cost.ts';
import type { Fit } from '../fit/fit.ts';
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { f32, operator } from '../operator.ts';
import { count, number, type ParamValues } from '../params.ts';
import { tensor } from '../tensor.ts';
import { type Attend, type Read, rows, type Told } from './rows.ts';
import { joinTiles, tilesOf } from './tiled.ts';

const params = {
  tile: count({ default: 256, min: 1, unit: 'keys', note: 'keys that are summed on their own' }),
  reach: number({
    default: 11,
    min: 1,
    max: 80,
    note: 'how far the largest logit of a row may lie from phi; 11 suits 16 bits',
  }),
};
type UnifiedParams = ParamValues<typeof params>;

/** Sums with phi [H, R, 1] taken from all logits, and the exact form for rows that leave the range. */
function mixed(g: GraphBuilder, reads: readonly Read[], phi: Value, o: UnifiedParams): Told {
  const tiles = reads.map((read) => tilesOf(g, read, o.tile));
  const constant = g.unsqueeze(phi, 1); // [H, 1, R, 1]
  const top = tiles.map(({ logits }) => g.reduceMax(g.reduceMax(logits, 3, true), 1)).reduce((a, b) => g.max(a, b)); // [H, R, 1]
  const leaves = g.greater(g.abs(g.sub(top, phi)), o.reach);
  // A row that leaves the range must not spoil its sums with infinities before it is replaced.
  const safe = (logits: Value) => g.exp(g.min(g.sub(logits, constant), o.reach));
  const sums = tiles.map(({ logits, values }) => {
    const weights = safe(logits);
    return { sum: g.reduceSum(g.reduceSum(weights, 3, true), 1), output: g.reduceSum(g.matMul(weights, values), 1) };
  });
  const all = (name: 'sum' | 'output') => sums.map((part) => part[name]).reduce((a, b) => g.add(a, b));
  const exact = joinTiles(g, reads, o.tile);
  const sum = g.where(leaves, 1, all('sum'));
  return {
    output: g.where(leaves, exact.output, g.div(all('output'), sum)),
    lse: g.where(leaves, exact.lse, g.add(g.log(sum), phi)),
    measures: { recomputed: g.cast(leaves, 'f32') },
  };
}

export const unifiedMaxOperator = operator({
  name: 'unified-max',
  kind: 'attend',
  scope: 'head',
  title: ({ reach }) => `one maximum for all, exact beyond ${reach} of it`,
  paper: 'arXiv:2311.01282',
  departures: ['both forms are computed, each row takes its own', 'the largest logit of a row decides'],
  params,
  inputs: {
    logits: f32(['Hkv', 'Q', 'T'], { values: 'products', pad: -1e30 }),
    values: f32(['Hkv', 'T', 'D'], { pad: 0 }),
    phi: f32(['Hkv', 'Q', 1], { values: 'shares' }),
  },
  outputs: { output: f32(['Hkv', 'Q', 'D']), lse: f32(['Hkv', 'Q', 1]), recomputed: f32(['Hkv', 'Q', 1]) },
  cost: perElement(4, 'Hkv', 'Q', 'T'),
  variants: [
    { tile: 7, reach: 2 },
    { tile: 64, reach: 1 },
  ],

  graph(g, { logits, values, phi }, o) {
    const { output, lse, measures } = mixed(g, [{ logits: logits!, values: values! }], phi!, o);
    return { output, lse, recomputed: measures!.recomputed! };
  },

  reference({ logits, values, phi }, { reach }) {
    const [H, Q, T] = logits!.dims as [number, number, number];
    const D = values!.dims[2]!;
    const [output, lse, recomputed] = [tensor([H, Q, D]), tensor([H, Q, 1]), tensor([H, Q, 1])];
    for (let h = 0; h < H; h++)
      for (let q = 0; q < Q; q++) {
        const scores = Array.from({ length: T }, (_, t) => logits!.get(h, q, t));
        const top = Math.max(...scores);
        const leaves = Math.abs(Math.fround(top - phi!.get(h, q, 0))) > reach;
        const from = leaves ? top : phi!.get(h, q, 0);
        const weights = scores.map((s) => Math.exp(s - from));
        const sum = weights.reduce((a, b) => a + b);
        for (let d = 0; d < D; d++)
          output.set(weights.reduce((n, w, t) => n + (w / sum) * values!.get(h, t, d), 0), h, q, d); // biome-ignore format: one line
        lse.set(from + Math.log(sum), h, q, 0);
        recomputed.set(Number(leaves), h, q, 0);
      }
    return { output, lse, recomputed };
  },

  example: {
    // The weights 0.7214, 0.2654, 0.0132 do not depend on phi; -100 lies out of reach of 5 and is recomputed, not lost.
    inputs: {
      logits: [[[5, 4, 1], [-100, -101, -1e30]]], // biome-ignore format: one line
      values: [[[1], [2], [3]]],
      phi: [[[5], [5]]],
    },
    outputs: { output: [[[1.291816], [1.268941]]], lse: [[[5.326563], [-99.686738]]], recomputed: [[[0], [1]]] },
  },
});

/** `phi` is the same for all heads, or comes from a fit that gives it [L, Hq]. */
export const unifiedMax = (phi: Fit | number, given: Partial<UnifiedParams> = {}): Attend => {
  const bound = unifiedMaxOperator(given);
  return {
    ...rows(),
    ...bound,
    fits: typeof phi === 'number' ? [] : [phi],
    takes: { phi: typeof phi === 'number' ? phi : { fit: phi, tensor: 'phi' } },
    mix: (g, reads, taken) => mixed(g, reads, taken.phi!, bound.params),
  };
};
