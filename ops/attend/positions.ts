/** Position rules: at which rotary position a key is read, and from which a query looks. Only differences matter.
 *
 *  The table of entries always keeps absolute positions; a rule changes what the rotation sees, never what is shown. */

export interface PlacedZone {
  /** Absolute positions of the entries of one head, in any order. */
  position: Int32Array;
  /** Rank of each entry in time among all that this head reads, 0 = oldest. */
  rank: Int32Array;
}
export interface PlacedQueries {
  /** Absolute positions of the new queries. */
  position: Int32Array;
  /** Entries that this head reads before the first of them. */
  readBefore: number;
  /** Entries that each query may see before itself; smaller than readBefore + index where windows mask. */
  visibleBefore: Int32Array;
}
export interface PositionRule {
  readonly name: string;
  /** Keys may be stored rotated: their angle is their absolute position. */
  readonly storesRotated: boolean;
  /** Queries stand elsewhere for this zone than for the others. */
  readonly ownQueries?: boolean;
  /** Positions of keys and of queries for one zone; `anchored` zones start the text and stay in place while others slide. */
  place(zone: PlacedZone, queries: PlacedQueries, anchored: boolean): { keys: Int32Array; queries: Int32Array };
}

/** Keys and queries at the positions where they stood in the text. */
export const absolute: PositionRule = {
  name: 'absolute',
  storesRotated: true,
  place: ({ position }, queries) => ({ keys: position, queries: queries.position }),
};

/** What is read stands close together: positions 0, 1, 2, ... without holes.
 *  Xiao et al. 2023, "StreamingLLM", arXiv:2309.17453, section 3.2. */
export const contiguous: PositionRule = {
  name: 'contiguous',
  storesRotated: false,
  place: ({ rank }, { readBefore, visibleBefore }, anchored) => ({
    keys: rank,
    queries: anchored ? visibleBefore : visibleBefore.map((_, q) => readBefore + q),
  }),
};

/** Every key of the zone stands at one distance from the queries, whatever lies between.
 *  Xiao et al. 2024, "InfLLM", arXiv:2402.04617, section 3.2. */
export function apart(distance: number): PositionRule {
  if (!(Number.isInteger(distance) && distance >= 0))
    throw new RangeError(`attend apart: distance is ${distance}; give a whole number of tokens from 0`);
  return {
    name: `apart by ${distance}`,
    storesRotated: false,
    ownQueries: true,
    place: ({ position }, queries) => ({
      keys: new Int32Array(position.length),
      queries: queries.position.map(() => distance),
    }),
  };
}

/** The rule of a name. Throws, naming those that there are. */
export function positionRule<N extends string>(name: N, rules: Readonly<Record<N, PositionRule>>): PositionRule {
  if (!Object.hasOwn(rules, name))
    throw new RangeError(`attend: positions is ${JSON.stringify(name)}; give one of ${Object.keys(rules).join(', ')}`);
  return rules[name];
}
