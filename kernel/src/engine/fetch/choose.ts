/** Choosing pages: the fetch operators of a zone score its pages for the new queries, and the best are read. */
import { choosePages } from '@kvlab/ops';
import { type RotaryTable, rotateRow } from '../attend/rotary.ts';
import type { CacheLayer } from '../cache/layer.ts';
import type { ZonePages } from '../cache/pages.ts';
import type { Operate } from '../operate/operate.ts';

export interface Asking {
  layer: number;
  /** All pages are read, whatever they are worth. */
  all: boolean;
  /** [Hkv, G*Q, D] times 1/sqrt(D), not rotated. */
  queries: Float32Array;
  /** Absolute positions [Q]. */
  position: Int32Array;
  group: number;
  /** Most entries that a head may read of all zones. */
  most: number;
  /** For each head how many entries are read that lie in no page. */
  besides: readonly number[];
  operate: Operate;
  rotary: RotaryTable;
}
/** What one head reads of a zone. */
export interface Choice {
  /** Indices of its pages, best first. */
  pages: number[];
  /** Score of every page; NaN where none was asked for. */
  score: Float32Array;
}

/** One choice for each KV head. Pages are not scored where all of them fit. */
export async function choose(cache: CacheLayer, zone: ZonePages, asking: Asking): Promise<Choice[]> {
  const { heads, fetch } = zone;
  const everything = heads.map(({ count }) => Array.from({ length: count }, (_, page) => page));
  const score = heads.map(({ count }) => new Float32Array(count).fill(Number.NaN));
  const room = heads.map((_, h) => Math.max(0, asking.most - asking.besides[h]!));
  const fits = heads.every(({ count, entries }, h) => {
    const all = entries.subarray(0, count).reduce((a, b) => a + b, 0);
    return count <= fetch.pages && all <= room[h]!;
  });
  if (asking.all || fits) return heads.map((_, h) => ({ pages: everything[h]!, score: score[h]! }));
  const equal = heads.every(({ count }) => count === heads[0]!.count);
  // Heads with as many pages are asked together; others one by one.
  const calls = equal ? [heads.map((_, h) => h)] : heads.map((_, h) => [h]);
  for (const some of calls) {
    const N = heads[some[0]!]!.count;
    if (N === 0) continue;
    const found = await scorePages(cache, zone, some, asking);
    some.forEach((h, i) => {
      const own = Float32Array.from(found.subarray(i * N, (i + 1) * N));
      const odd = own.findIndex(Number.isNaN);
      if (odd >= 0)
        throw new Error(
          `fetch ${fetch.by!.operator.name}: the score of page ${heads[h]!.segment[odd]} in layer ${asking.layer}, KV head ${h} is not a number; look at its summary`,
        );
      score[h] = own;
    });
  }
  return heads.map(({ entries }, h) => ({
    pages: choosePages(score[h]!, entries, fetch.pages, room[h]!),
    score: score[h]!,
  }));
}

/** Scores [heads, N] of pages, from queries that stand where the rule of the zone puts them. */
async function scorePages(
  { shape }: CacheLayer,
  { zone, fetch, heads }: ZonePages,
  some: readonly number[],
  { queries, position, group, operate, rotary }: Asking,
): Promise<Float32Array | Float64Array> {
  const { headSize: D, attend, zones } = shape;
  const [Q, N, H] = [position.length, heads[some[0]!]!.count, some.length];
  const rule = attend.ruleOf(zones[zone]!);
  const alone = { position: new Int32Array(0), rank: new Int32Array(0) };
  const seen = { position, readBefore: 0, visibleBefore: position };
  const at = rule.storesRotated || rule.ownQueries ? rule.place(alone, seen, false).queries : undefined;
  // The model's queries carry 1/sqrt(D); papers and operators speak of them without.
  const scale = Math.sqrt(D);
  const rows = new Float32Array(H * group * Q * D);
  some.forEach((h, i) => {
    for (let member = 0; member < group; member++)
      for (let q = 0; q < Q; q++) {
        const from = ((h * group + member) * Q + q) * D;
        const row = queries.subarray(from, from + D);
        const turned = at ? rotateRow(row, at[q]!, rotary) : row;
        for (let d = 0; d < D; d++) rows[((i * group + member) * Q + q) * D + d] = turned[d]! * scale;
      }
  });
  const sizes = { Hkv: H, Hq: H * group, G: group, D };
  const given: Record<string, { dims: readonly number[]; data: ArrayLike<number> }> = {
    queries: { dims: [H * group, Q, D], data: rows },
  };
  if (fetch.query) {
    const one = await operate(fetch.query, { queries: given['queries']! }, undefined, { sizes });
    Object.assign(given, one);
  }
  for (const name of heads[0]!.summary.keys()) {
    const data = new Float32Array(H * N * D);
    for (const [i, h] of some.entries()) data.set(heads[h]!.summary.get(name)!.subarray(0, N * D), i * N * D);
    given[name] = { dims: [H, N, D], data };
  }
  const by = fetch.by!;
  const inputs = Object.fromEntries(Object.keys(by.operator.inputs).map((name) => [name, given[name]!]));
  const { score } = await operate(by, inputs, undefined, { sizes });
  return score!.data as Float32Array;
}
