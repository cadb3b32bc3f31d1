/** Groups: which numbers of a row or a channel share scale and minimum, and where they lie. */
import type { GraphBuilder, Value } from '../graph/builder.ts';
import { planesOf, unpackBits } from './bits.ts';
import type { Values } from './encoding.ts';

/** What shares a grid: numbers of one channel, channels of one entry, or all channels of an entry. */
export interface GroupParams {
  per: 'channel' | 'token' | 'row';
  group: number;
}

/** Numbers of a group, the axis on which it lies, and whether it is a whole row: then no axis counts the groups, since one of
 *  length 1 makes the runtime three times as slow. */
export function layoutOf(g: GraphBuilder, { per, group }: GroupParams) {
  const n = per === 'row' ? g.sizes.D! : group;
  const whole = per !== 'channel' && n === g.sizes.D!;
  return { n, whole, axis: per === 'channel' || whole ? 2 : 3 };
}
/** x [H, T, D] with its groups on an axis of their own: keys [H, B, group, D], values [H, T, D/group, group] or [H, T, D]. */
export function groupedBy(g: GraphBuilder, x: Value, o: GroupParams): Value {
  const { n, whole } = layoutOf(g, o);
  if (whole) return x;
  if (o.per === 'channel') return g.reshape(x, [x.dims[0]!, 'B', n, x.dims[2]!]);
  return g.reshape(x, [x.dims[0]!, x.dims[1]!, g.sizes.D! / n, n]);
}

/** The planes of codes, widest first. */
export const planesIn = (stored: Values, bits: number): Value[] => planesOf(bits).map((_, i) => stored[`codes${i}`]!);

/** Codes of entries times shares [H, R, T], added up [H, R, D]: scale and minimum of an entry meet its share, not each number. */
export function mixGroups(g: GraphBuilder, shares: Value, stored: Values, o: GroupParams & { bits: number }): Value {
  const { n } = layoutOf(g, o);
  const groups = g.sizes.D! / n;
  const sums = Array.from({ length: groups }, (_, i) => {
    const own = (v: Value) => (groups === 1 ? v : g.slice(v, 2, i, i + 1, 1));
    const across = (v: Value) => g.transpose(g.cast(own(v), 'f32'), [0, 2, 1]); // [H, 1, T]
    const planes = planesIn(stored, o.bits).map((p) => g.squeeze(own(p), 2));
    const codes = unpackBits(g, planes, 2, n, o.bits); // [H, T, n]
    const lows = g.reduceSum(g.mul(shares, across(stored.low!)), 2, true); // [H, R, 1]
    return g.add(g.matMul(g.mul(shares, across(stored.scale!)), codes), lows); // [H, R, n]
  });
  return g.concat(sums, 2, 'D');
}
