/** Zones: rules in the order written, each filling the zone of its name; what no rule takes leaves the cache. */
import { neutral } from '../neutral.ts';
import type { Bound } from '../operator.ts';
import { rest } from './rest.ts';
import type { Candidates, Rule } from './rule.ts';

export interface ZoneRule {
  zone: string;
  rule: Rule;
}
export interface Selection extends Bound {
  /** Rules of keys and of values; the same list unless the declaration says `byPart`. */
  readonly keys: readonly ZoneRule[];
  readonly values: readonly ZoneRule[];
}

/** One list of rules for keys and values. */
export function zones(rules: Readonly<Record<string, Rule>>): Selection {
  const list = Object.entries(rules).map(([zone, r]) => ({ zone, rule: r }));
  const title = list.map(({ zone, rule: r }) => (r.name === 'rest' ? zone : `${zone} ${r.title}`)).join(' + ');
  const plain = list.length === 1 && list[0]!.rule.name === rest.name;
  return { ...neutral('zones', 'select', plain ? 'everything' : title), neutral: plain, keys: list, values: list };
}

/** Keys and values in zones of their own, over the same entries. */
export function byPart({ keys, values }: { keys: Selection; values: Selection }): Selection {
  return {
    ...neutral('by-part', 'select', `keys: ${keys.title}; values: ${values.title}`),
    neutral: false,
    keys: keys.keys,
    values: values.values,
  };
}

/** Leaves the cache. */
export const leaves = 255;

/** The zone of each entry of one head after the rules: an index into `names`, or `leaves`.
 *  `current` is the zone now (index into `names`, which starts with `fresh`); entries only move down the list. */
export function assignZones(
  rules: readonly ZoneRule[],
  names: readonly string[],
  candidates: Omit<Candidates, 'open' | 'held'>,
  current: Uint8Array,
  amountOf: (zone: string) => number,
): Uint8Array {
  const { count } = candidates;
  const out = new Uint8Array(count).fill(leaves);
  const open = new Uint8Array(count);
  const held = new Uint8Array(count);
  const taken = new Uint8Array(count);
  for (const { zone, rule: r } of rules) {
    const number = names.indexOf(zone);
    for (let i = 0; i < count; i++) {
      held[i] = current[i] === number ? 1 : 0;
      open[i] = out[i] === leaves && current[i]! <= number ? 1 : 0;
      taken[i] = 0;
    }
    r.choose({ ...candidates, open, held }, r.amount ?? amountOf(zone), taken);
    for (let i = 0; i < count; i++) if (taken[i]) out[i] = number;
  }
  return out;
}
