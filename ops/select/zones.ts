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
  const { open, held, taken } = scratchFor(count);
  for (const { zone, rule: r } of rules) {
    const number = names.indexOf(zone);
    for (let i = 0; i < count; i++) {
      const now = current[i]!;
      held[i] = now === number ? 1 : 0;
      open[i] = now <= number && out[i] === leaves ? 1 : 0;
    }
    taken.fill(0);
    r.choose({ ...candidates, open, held }, r.amount ?? amountOf(zone), taken);
    for (let i = 0; i < count; i++) if (taken[i]) out[i] = number;
  }
  return out;
}

/** Used again for every head: a step of decoding asks for each of some hundred heads. */
let scratch = { open: new Uint8Array(0), held: new Uint8Array(0), taken: new Uint8Array(0) };

function scratchFor(count: number): typeof scratch {
  if (count > scratch.open.length) {
    const room = () => new Uint8Array(2 * count);
    scratch = { open: room(), held: room(), taken: room() };
  }
  const { open, held, taken } = scratch;
  return { open: open.subarray(0, count), held: held.subarray(0, count), taken: taken.subarray(0, count) };
}
