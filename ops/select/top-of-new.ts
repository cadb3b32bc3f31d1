/** What the zone holds already, and of the entries that are new to it the share with the highest scores. */
import { type Rule, takeLargest } from './rule.ts';
import { largest } from './rule-graph.ts';

/** `share` of those entries that come from a zone above, rounded up; nothing that is held leaves. */
export const topOfNew = (share: number): Rule => ({
  name: 'topOfNew',
  title: `top ${Math.round(share * 100)} % of what is new`,
  byPosition: false,
  needsScore: true,
  graph(g, c) {
    const coming = g.mul(c.open, g.sub(1, c.held)); // [Hkv, T]
    const wanted = g.cast(g.ceil(g.mul(g.reduceSum(coming, 1), share)), 'i64'); // [Hkv]
    return g.max(c.held, largest(g, coming, c.score, wanted));
  },
  choose(c, _, taken) {
    const open = c.open.map((o, i) => (c.held[i] ? 0 : o));
    const coming = open.reduce((n, o) => n + o, 0);
    takeLargest({ ...c, open }, c.score, Math.ceil(share * coming), taken);
    for (let i = 0; i < c.count; i++) if (c.held[i]) taken[i] = 1;
  },
});
