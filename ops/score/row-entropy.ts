/** Row entropy: a token whose own query looks everywhere is worth more than one that looks at a single place.
 *
 *  CRITIC (tier-1 system critic-porag), score 2. Given once, at birth, for the token whose query it is.
 *  Departure: divided by ln of the number of visible entries; as printed it grows with position alone. */
import { perElement } from '../cost.ts';
import { meanGroups } from '../graph/composites.ts';
import { overGroups } from '../loops.ts';
import { f32, operator } from '../operator.ts';
import { leastSeen } from './group-rows.ts';

export const rowEntropy = operator({
  name: 'row-entropy',
  kind: 'score',
  scope: 'head',
  title: 'entropy of the own row',
  departures: ['divided by ln of the number of visible entries'],
  params: {},
  needs: () => [{ of: 'attention' }],
  inputs: { attention: f32(['Hq', 'Q', 'T'], { values: 'rows', pad: 0 }) },
  outputs: { score: f32(['Hkv', 'Q']) },
  cost: perElement(3, 'Hq', 'Q', 'T'),

  graph(g, { attention }) {
    const entropy = g.neg(g.reduceSum(g.mul(attention!, g.log(g.max(attention!, 1e-10))), 'T')); // [Hq, Q]
    const visible = g.reduceSum(g.cast(g.greater(attention!, leastSeen), 'f32'), 'T'); // [Hq, Q]
    return { score: meanGroups(g, g.div(entropy, g.log(g.max(visible, 2)))) }; // [Hkv, Q]
  },

  reference({ attention }, _params, { sizes }) {
    const [Hq, Q, T] = attention!.dims as [number, number, number];
    const { Hkv } = sizes as { Hkv: number };
    const score = overGroups(Hkv, Hq / Hkv, Q, 'mean', (queryHead, q) => {
      let [entropy, visible] = [0, 0];
      for (let t = 0; t < T; t++) {
        const a = attention!.get(queryHead, q, t);
        entropy -= a * Math.log(Math.max(a, 1e-10));
        if (a > leastSeen) visible++;
      }
      return entropy / Math.log(Math.max(visible, 2));
    });
    return { score };
  },

  example: {
    inputs: { attention: [[[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]]] }, // biome-ignore format: one row a query
    sizes: { Hkv: 1 },
    outputs: { score: [[0, 1]] },
  },
  tolerance: 1e-4,
});
